// lenaten/hl7: `Split` and `Message.Parse`, which is what its Decoder does; leaves as written.
package main

import (
	"encoding/json"
	"strings"

	"github.com/lenaten/hl7"
)

func loadLenaten() func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		messages := [][][]any{}
		for _, part := range hl7.Split(input) {
			message := hl7.NewMessage(part)
			if err := message.Parse(); err != nil {
				return nil, refusal{structure, err.Error()}
			}
			segments := [][]any{}
			for _, each := range message.Segments {
				// Of CR LF it makes two CR, with nothing between them.
				if len(each.Fields) > 0 {
					segments = append(segments, segment(each))
				}
			}
			messages = append(messages, segments)
		}
		return json.Marshal(messages)
	}
}

func segment(from hl7.Segment) []any {
	fields := []any{}
	for _, field := range from.Fields {
		for len(fields) <= field.SeqNum {
			fields = append(fields, nil)
		}
		name := string(from.Fields[0].Value)
		if field.SeqNum == 0 || (name == "MSH" && field.SeqNum <= 2) {
			fields[field.SeqNum] = string(field.Value)
			continue
		}
		repetitions, _ := fields[field.SeqNum].([]any)
		fields[field.SeqNum] = append(repetitions, repetition(field))
	}
	return fields
}

func repetition(field hl7.Field) any {
	components := []any{}
	for _, component := range field.Components {
		leaves := []any{}
		for _, leaf := range component.SubComponents {
			// It leaves the terminator of the segment in the last field.
			leaves = append(leaves, strings.TrimSuffix(string(leaf.Value), "\r"))
		}
		components = append(components, leaves)
	}
	return components
}
