//! Configuration for hosts that admit modules by policy: Kyverno and Sigstore's policy-controller in Kubernetes, Envoy.
//!
//! Kubernetes admits images, not files, and an attestation there is about an image's digest: whoever puts a certified
//! module into an image attests the verification result of the certificate for that image, as the comments say. Envoy
//! pins the module's own digest.

use crate::admit::Admission;
use crate::certificate::Level;
use crate::keys::PublicKey;
use crate::statement::VERIFICATION_RESULT_TYPE;
use crate::summaries::{NO_WAIVERS, QUALIFIED, level_property};

/// A host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// A `ClusterPolicy` of Kyverno.
    Kyverno,
    /// A `ClusterImagePolicy` of Sigstore's policy-controller.
    PolicyController,
    /// An HTTP filter of Envoy.
    Envoy,
}

/// What a snippet is about, beside the certificate.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Images that must be certified, as the host matches them: `registry.example/parsers/*`. Not for Envoy.
    pub images: &'a str,
    /// Where Envoy fetches the module, with its scheme. Not for Kubernetes.
    pub url: &'a str,
}

/// The snippet for a host, YAML; `level` is the lowest that the host should admit.
pub fn render(host: Host, place: Place<'_>, admission: &Admission, key: &PublicKey, level: Level) -> String {
    match host {
        Host::Kyverno => kyverno(place.images, admission, key, level),
        Host::PolicyController => policy_controller(place.images, admission, key, level),
        Host::Envoy => envoy(place.url, admission),
    }
}

const ATTEST: &str = "\
# The certificate is about the module's bytes, an attestation in a registry about an image. Once `verify` has admitted the
# module that is in the image, attest its result (`verificationResult` of `verify --format json`) for the image:
#   cosign attest --key KEY --tlog-upload=false --type https://in-toto.io/attestation/svr/v0.2 --predicate svr.json IMAGE
# The key below is the certificate's; name another here if another attests.
";

fn kyverno(images: &str, admission: &Admission, key: &PublicKey, level: Level) -> String {
    let certificate = &admission.certificate;
    let hours = certificate.not_after.days_since(certificate.not_before).saturating_mul(24);
    let mut conditions = String::new();
    for property in properties(admission, level) {
        let property = quoted(&property);
        conditions += &format!(
            "                    - key: {property}\n                      operator: AnyIn\n                      value: \"{{{{ properties }}}}\"\n"
        );
    }
    format!(
        "# Kyverno: only images with a certified module, for as long as certificates of this kind are valid.\n{ATTEST}\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: autoclave-certificate
spec:
  validationFailureAction: Enforce
  background: false
  webhookTimeoutSeconds: 30
  rules:
    - name: certified-module
      match:
        any:
          - resources:
              kinds:
                - Pod
      verifyImages:
        - imageReferences:
            - {images}
          attestations:
            - type: {VERIFICATION_RESULT_TYPE}
              attestors:
                - count: 1
                  entries:
                    - keys:
                        publicKeys: |-
{pem}
                        rekor:
                          url: https://rekor.sigstore.dev
                          ignoreTlog: true
                        ctlog:
                          ignoreSCT: true
              conditions:
                - all:
                    - key: {verifier}
                      operator: Equals
                      value: \"{{{{ verifier.id }}}}\"
{conditions}\
\x20                   - key: \"{{{{ time_since('', timeCreated, '') }}}}\"
                      operator: LessThanOrEquals
                      value: {hours}h
",
        images = quoted(images),
        pem = indented(&key.to_pem(), 26),
        verifier = quoted(&certificate.verifier),
    )
}

fn policy_controller(images: &str, admission: &Admission, key: &PublicKey, level: Level) -> String {
    let rows = properties(admission, level);
    let matches = rows.iter().map(|property| format!("list.MatchN(>=1, {})", quoted(property)));
    format!(
        "# Sigstore's policy-controller: only images with a certified module. It has no clock: delete the attestation of an
# image, or this policy's key, when the certificate expires ({until}).\n{ATTEST}\
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: autoclave-certificate
spec:
  images:
    - glob: {images}
  authorities:
    - name: autoclave
      key:
        hashAlgorithm: sha256
        data: |
{pem}
      attestations:
        - name: certified-module
          predicateType: {VERIFICATION_RESULT_TYPE}
          policy:
            type: cue
            data: |
              import \"list\"
              predicateType: {predicate_type}
              predicate: {{
                verifier: id: {verifier}
                properties: [...string] & {matches}
              }}
",
        until = admission.certificate.not_after,
        images = quoted(images),
        pem = indented(&key.to_pem(), 10),
        predicate_type = quoted(VERIFICATION_RESULT_TYPE),
        verifier = quoted(&admission.certificate.verifier),
        matches = matches.collect::<Vec<_>>().join(" & "),
    )
}

fn envoy(url: &str, admission: &Admission) -> String {
    let name = quoted(&admission.certificate.module.name);
    format!(
        "# Envoy: runs exactly the certified bytes. It has no clock: take the filter out when the certificate expires ({until}).
# `cluster` names the cluster of your configuration that serves the address.
name: envoy.filters.http.wasm
typed_config:
  \"@type\": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
  config:
    name: {name}
    fail_open: false
    vm_config:
      vm_id: {name}
      runtime: envoy.wasm.runtime.v8
      code:
        remote:
          http_uri:
            uri: {url}
            cluster: certified_modules
            timeout: 10s
          sha256: {sha256}
",
        until = admission.certificate.not_after,
        url = quoted(url),
        sha256 = quoted(&admission.subjects.as_deployed.to_string()),
    )
}

/// What the host asks for. A certificate with waivers has been admitted by somebody who knows them; hosts do not.
fn properties(admission: &Admission, level: Level) -> Vec<String> {
    let no_waivers = admission.certificate.waivers.is_empty().then(|| NO_WAIVERS.to_owned());
    [level_property(level), QUALIFIED.to_owned()].into_iter().chain(no_waivers).collect()
}

/// A text as YAML and CUE both read it: JSON's notation.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn indented(text: &str, columns: usize) -> String {
    let lines = text.lines().map(|line| format!("{}{line}", " ".repeat(columns)));
    lines.collect::<Vec<_>>().join("\n")
}
