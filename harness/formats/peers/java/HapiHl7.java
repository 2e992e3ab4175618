// HAPI HL7 v2: PipeParser with generic messages, so that no version's structures decide; leaves as it decodes them.

import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.model.Composite;
import ca.uhn.hl7v2.model.Primitive;
import ca.uhn.hl7v2.model.Segment;
import ca.uhn.hl7v2.model.Structure;
import ca.uhn.hl7v2.model.Type;
import ca.uhn.hl7v2.model.Varies;
import ca.uhn.hl7v2.parser.GenericModelClassFactory;
import ca.uhn.hl7v2.parser.PipeParser;
import com.google.gson.Gson;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

final class HapiHl7 implements Worker.Adapter {
    private final PipeParser parser = new DefaultHapiContext(new GenericModelClassFactory()).getPipeParser();

    public String group() { return "ca.uhn.hapi"; }

    public String artifact() { return "hapi-base"; }

    public byte[] read(int format, byte[] input) throws Worker.Refusal {
        try {
            var message = parser.parse(new String(input, StandardCharsets.UTF_8));
            List<Object> segments = new ArrayList<>();
            for (String name : message.getNames())
                for (Structure each : message.getAll(name)) segments.add(segment((Segment) each));
            return new Gson().toJson(List.of(segments)).getBytes(StandardCharsets.UTF_8);
        } catch (HL7Exception error) {
            throw new Worker.Refusal(Worker.Layer.STRUCTURE, error.getClass().getSimpleName() + ": " + error.getMessage());
        }
    }

    private static List<Object> segment(Segment from) throws HL7Exception {
        List<Object> fields = new ArrayList<>(List.of(from.getName()));
        for (int at = 1; at <= from.numFields(); at++) {
            // MSH-1 and MSH-2 are leaves.
            int depth = at <= 2 && from.getName().matches("MSH|BHS|FHS") ? 0 : 2;
            List<Object> repetitions = new ArrayList<>();
            for (Type each : from.getField(at)) repetitions.add(parts(each, depth));
            fields.add(repetitions.isEmpty() ? null : depth == 0 ? repetitions.get(0) : repetitions);
        }
        return fields;
    }

    /** A type's parts, `depth` levels of them: components and subcomponents. */
    private static Object parts(Type type, int depth) {
        Type data = type instanceof Varies varies ? varies.getData() : type;
        if (depth == 0) return data instanceof Primitive leaf && leaf.getValue() != null ? leaf.getValue() : "";
        List<Object> parts = new ArrayList<>();
        if (data instanceof Composite all) for (Type each : all.getComponents()) parts.add(parts(each, depth - 1));
        else parts.add(parts(data, depth - 1));
        var extra = data.getExtraComponents();
        for (int at = 0; at < extra.numComponents(); at++) parts.add(parts(extra.getComponent(at), depth - 1));
        return parts;
    }
}
