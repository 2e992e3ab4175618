// HAPI FHIR: its JSON and XML parsers with the strict error handler, written back as JSON without leaving anything out.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.parser.DataFormatException;
import ca.uhn.fhir.parser.IParser;
import ca.uhn.fhir.parser.StrictErrorHandler;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;

record HapiFhir(FhirContext context, String artifact) implements Worker.Adapter {
    HapiFhir {
        context.setParserErrorHandler(new StrictErrorHandler());
        context.getParserOptions().setStripVersionsFromReferences(false);
        context.getParserOptions().setOverrideResourceIdWithBundleEntryFullUrl(false);
        context.newJsonParser().parseResource("{\"resourceType\":\"Patient\"}");
    }

    @Override
    public String group() {
        return "ca.uhn.hapi.fhir";
    }

    @Override
    public byte[] read(int format, byte[] input) throws Worker.Refusal {
        IParser parser = format == Worker.FHIR_XML ? context.newXmlParser() : context.newJsonParser();
        try {
            var resource = parser.parseResource(new ByteArrayInputStream(input));
            return context.newJsonParser().encodeResourceToString(resource).getBytes(StandardCharsets.UTF_8);
        } catch (DataFormatException error) {
            String message = String.valueOf(error.getMessage());
            boolean syntax = message.contains("Failed to parse JSON") || message.contains("XMLStreamException")
                    || error.getCause() instanceof javax.xml.stream.XMLStreamException
                    || error.getCause() instanceof java.io.IOException;
            boolean value = message.contains("nvalid attribute value") || message.contains("Invalid date");
            throw new Worker.Refusal(
                    syntax ? Worker.Layer.SYNTAX : value ? Worker.Layer.VALUE : Worker.Layer.STRUCTURE, message);
        }
    }
}
