// Verifies bundles with Sigstore's own library: `sigstore.cjs KEY.pem HINT BUNDLE…` prints one line for each.
const { readFileSync } = require("node:fs");
const { createPublicKey } = require("node:crypto");
const { bundleFromJSON, isBundleWithPublicKey, isBundleWithDsseEnvelope } = require("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const [pem, hint, ...files] = process.argv.slice(2);
const root = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const keys = (asked) => {
  if (asked !== hint) throw new Error(`unknown key ${asked}`);
  return { publicKey: createPublicKey(readFileSync(pem)), validFor: () => true };
};
const verifier = new Verifier(toTrustMaterial(root, keys), { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
for (const file of files) {
  let answer;
  try {
    const bundle = bundleFromJSON(JSON.parse(readFileSync(file, "utf8")));
    if (!isBundleWithPublicKey(bundle) || !isBundleWithDsseEnvelope(bundle)) throw new Error("not of our kind");
    verifier.verify(toSignedEntity(bundle));
    answer = "ok";
  } catch (error) {
    answer = `refused ${error.code ?? error.name}`;
  }
  console.log(answer);
}
