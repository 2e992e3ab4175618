// The worker of a Java peer: frames on descriptor 0, as `peers/worker.rs` describes them; one adapter per peer.

import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Properties;

public final class Worker {
    /** Where in a parser an input is refused, as on the wire. */
    enum Layer { ENCODING, SYNTAX, STRUCTURE, VALUE, UNKNOWN }

    /** An error of the peer's own, with the layer that it comes from. */
    static final class Refusal extends Exception {
        final Layer layer;

        Refusal(Layer layer, String message) {
            super(message);
            this.layer = layer;
        }
    }

    /** What a peer makes of one input. */
    interface Adapter {
        String group();

        String artifact();

        byte[] read(int format, byte[] input) throws Exception;
    }

    static final int ACCEPTED = 0;
    static final int REFUSED = 1;
    static final int DIED = 2;
    static final int FHIR_XML = 2;

    /** The socket, which is open both ways. */
    private static final FileInputStream IN = new FileInputStream(FileDescriptor.in);
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.in);
    private static final FileOutputStream PRINTED = new FileOutputStream(FileDescriptor.out);

    static void write(int id, int status, byte[] body) throws IOException {
        System.out.flush();
        System.err.flush();
        ByteBuffer frame = ByteBuffer.allocate(13 + body.length).order(ByteOrder.LITTLE_ENDIAN);
        frame.putInt(9 + body.length).putInt(id).putInt((int) PRINTED.getChannel().size());
        frame.put((byte) status).put(body);
        OUT.write(frame.array());
    }

    static Adapter adapter(String name) throws Exception {
        return switch (name) {
            case "hapi-fhir-r4" -> new HapiFhir(ca.uhn.fhir.context.FhirContext.forR4(), "hapi-fhir-structures-r4");
            case "hapi-fhir-r5" -> new HapiFhir(ca.uhn.fhir.context.FhirContext.forR5(), "hapi-fhir-structures-r5");
            case "hl7-validator-r4" -> new Hl7Validator();
            case "hapi-hl7v2" -> new HapiHl7();
            default -> throw new IllegalArgumentException("there is no adapter " + name);
        };
    }

    /** The version as the jar itself says. */
    static String version(Adapter adapter) throws IOException {
        Properties properties = new Properties();
        String file = "/META-INF/maven/" + adapter.group() + "/" + adapter.artifact() + "/pom.properties";
        try (var stream = Worker.class.getResourceAsStream(file)) {
            properties.load(stream);
        }
        return properties.getProperty("version");
    }

    static byte[] refused(Layer layer, String message) {
        byte[] text = String.valueOf(message).getBytes(StandardCharsets.UTF_8);
        byte[] body = new byte[1 + Math.min(text.length, 1000)];
        body[0] = (byte) layer.ordinal();
        System.arraycopy(text, 0, body, 1, body.length - 1);
        return body;
    }

    static void answer(Adapter adapter, int id, int format, byte[] input) throws IOException {
        int status = ACCEPTED;
        byte[] body;
        try {
            body = adapter.read(format, input);
        } catch (Refusal refusal) {
            status = REFUSED;
            body = refused(refusal.layer, refusal.getMessage());
        } catch (StackOverflowError error) {
            status = DIED;
            body = "STACK".getBytes(StandardCharsets.UTF_8);
        } catch (OutOfMemoryError error) {
            Runtime.getRuntime().halt(12);
            return;
        } catch (Exception | LinkageError error) {
            status = REFUSED;
            body = refused(Layer.UNKNOWN, error.getClass().getSimpleName() + ": " + error.getMessage());
        }
        write(id, status, body);
    }

    public static void main(String[] words) throws Exception {
        Adapter adapter = adapter(words[0]);
        write(0, ACCEPTED, (adapter.artifact() + " " + version(adapter)).getBytes(StandardCharsets.UTF_8));
        DataInputStream in = new DataInputStream(IN);
        byte[] length = new byte[4];
        for (;;) {
            if (in.readNBytes(length, 0, 4) < 4) {
                Runtime.getRuntime().halt(0);
            }
            byte[] request = in.readNBytes(ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getInt());
            int id = ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN).getInt();
            answer(adapter, id, request[4], Arrays.copyOfRange(request, 5, request.length));
        }
    }
}
