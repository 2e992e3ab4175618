// HL7's own validator: its element model reads, its checks of names, types and values refuse. It has no terminology server,
// and of the invariants only those count that the specification gives to every resource: see `counts`.

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirDefaultPolicyAdvisor;
import org.hl7.fhir.common.hapi.validation.validator.WorkerContextValidationSupportAdapter;
import org.hl7.fhir.r5.elementmodel.JsonParser;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.formats.IParser.OutputStyle;
import org.hl7.fhir.r5.utils.validation.ValidatorSession;
import org.hl7.fhir.r5.utils.xver.XVerExtensionManagerOld;
import org.hl7.fhir.utilities.validation.ValidationMessage;
import org.hl7.fhir.utilities.validation.ValidationMessage.IssueType;
import org.hl7.fhir.validation.ValidatorSettings;
import org.hl7.fhir.validation.instance.InstanceValidator;

final class Hl7Validator implements Worker.Adapter {
    private final WorkerContextValidationSupportAdapter context = new WorkerContextValidationSupportAdapter(
            new ValidationSupportChain(new DefaultProfileValidationSupport(FhirContext.forR4())));

    Hl7Validator() throws Exception { read(1, "{\"resourceType\":\"Patient\"}".getBytes()); }

    public String group() { return "ca.uhn.hapi.fhir"; }

    public String artifact() { return "org.hl7.fhir.validation"; }

    @Override
    public byte[] read(int format, byte[] input) throws Exception {
        var found = new ArrayList<ValidationMessage>();
        var manager = new XVerExtensionManagerOld(context);
        var validator = new InstanceValidator(context, null, manager, new ValidatorSession(), new ValidatorSettings());
        validator.setAnyExtensionsAllowed(true);
        validator.setNoTerminologyChecks(true);
        validator.setPolicyAdvisor(new FhirDefaultPolicyAdvisor());
        var carrier = format == Worker.FHIR_XML ? FhirFormat.XML : FhirFormat.JSON;
        var element = validator.validate(null, found, new ByteArrayInputStream(input), carrier);
        var first = found.stream().filter(Hl7Validator::counts).findFirst();
        if (first.isPresent()) throw new Worker.Refusal(Worker.Layer.STRUCTURE, first.get().getMessage());
        if (element == null) throw new Worker.Refusal(Worker.Layer.SYNTAX, "nothing was read");
        var output = new ByteArrayOutputStream();
        new JsonParser(context).compose(element, output, OutputStyle.NORMAL, null);
        return output.toByteArray();
    }

    /** Errors that a parser with definitions can see; bindings, profiles and references to elsewhere are out. */
    private static boolean counts(ValidationMessage message) {
        if (!message.getLevel().isError()) return false;
        return switch (message.getType()) {
            case STRUCTURE, REQUIRED, VALUE, INVALID -> true;
            case INVARIANT -> message.getMessage().matches("(?s).*\\b(ele|ext|dom|txt|bdl)-\\d.*");
            default -> false;
        };
    }
}
