// google/fhir: jsonformat of R4, from JSON to protocol buffers and back.
package main

import (
	"encoding/json"
	"strings"

	"github.com/google/fhir/go/fhirversion"
	"github.com/google/fhir/go/jsonformat"
)

func loadGoogle() func([]byte) ([]byte, error) {
	reader, err := jsonformat.NewUnmarshaller("UTC", fhirversion.R4)
	if err != nil {
		panic(err)
	}
	writer, err := jsonformat.NewMarshaller(false, "", "", fhirversion.R4)
	if err != nil {
		panic(err)
	}
	return func(input []byte) ([]byte, error) {
		resource, err := reader.Unmarshal(input)
		if err == nil {
			return writer.Marshal(resource)
		}
		layer := byte(structure)
		if !json.Valid(input) {
			layer = syntax
		} else if strings.Contains(err.Error(), "invalid") {
			layer = value
		}
		// Each begins with the path of the element.
		_, message, found := strings.Cut(err.Error(), ": ")
		if !found {
			message = err.Error()
		}
		return nil, refusal{layer, message}
	}
}
