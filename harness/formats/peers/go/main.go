// The worker of a Go peer: frames on descriptor 0, as `peers/worker.rs` describes them; one adapter per peer.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

const (
	accepted = 0
	refused  = 1
	died     = 2
)

const (
	encoding = iota
	syntax
	structure
	value
	unknown
)

// refusal is an error of the peer's own, with the layer that it comes from.
type refusal struct {
	layer   byte
	message string
}

func (r refusal) Error() string { return r.message }

// adapter reads one input and gives what the peer makes of it.
type adapter struct {
	module string
	load   func() func(input []byte) ([]byte, error)
}

var adapters = map[string]adapter{
	"google-fhir-r4": {"github.com/google/fhir/go", loadGoogle},
	"lenaten-hl7":    {"github.com/lenaten/hl7", loadLenaten},
}

func read(size uint32) []byte {
	data := make([]byte, size)
	for at := 0; at < len(data); {
		got, err := os.Stdin.Read(data[at:])
		if err != nil {
			os.Exit(0)
		}
		at += got
	}
	return data
}

func write(id uint32, status byte, body []byte) {
	printed := uint32(0)
	if info, err := os.Stdout.Stat(); err == nil {
		printed = uint32(info.Size())
	}
	frame := binary.LittleEndian.AppendUint32(nil, uint32(9+len(body)))
	frame = binary.LittleEndian.AppendUint32(frame, id)
	frame = binary.LittleEndian.AppendUint32(frame, printed)
	frame = append(append(frame, status), body...)
	if _, err := os.Stdin.Write(frame); err != nil {
		os.Exit(0)
	}
}

func answer(read func([]byte) ([]byte, error), input []byte) (status byte, body []byte) {
	defer func() {
		if what := recover(); what != nil {
			status, body = died, []byte(fmt.Sprintf("PANIC %v", what))
		}
	}()
	body, err := read(input)
	if err == nil {
		return accepted, body
	}
	refusal := refusal{unknown, err.Error()}
	errors.As(err, &refusal)
	message := []byte(refusal.message)
	return refused, append([]byte{refusal.layer}, message[:min(len(message), 1000)]...)
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	return "of no version"
}

func main() {
	adapter, known := adapters[os.Args[1]]
	if !known {
		fmt.Println("there is no adapter", os.Args[1])
		os.Exit(1)
	}
	one := adapter.load()
	write(0, accepted, []byte(adapter.module+" "+version(adapter.module)))
	for {
		request := read(binary.LittleEndian.Uint32(read(4)))
		status, body := answer(one, request[5:])
		write(binary.LittleEndian.Uint32(request), status, body)
	}
}
