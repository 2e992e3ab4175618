//! A pack as an OCI image layout (image-spec 1.1), written by hand: registries and their tools carry it unchanged, and
//! refuse it when a byte of it has changed.

use crate::digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the artifact is.
pub const ARTIFACT_TYPE: &str = "application/vnd.autoclave.corpus.v1";
const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const TITLE: &str = "org.opencontainers.image.title";
/// What tools call it.
pub const TAG: &str = "corpus";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: String,
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: format!("sha256:{}", digest::sha256(bytes)),
        size: bytes.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

/// Files of the layout: the parts (file name, media type, bytes) are its layers, in this order.
pub fn write(parts: &[(&str, &str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add = |media_type: &str, bytes: &[u8]| {
        files.insert(format!("blobs/sha256/{}", digest::sha256(bytes)), bytes.to_vec());
        describe(media_type, bytes)
    };
    let layers = parts.iter().map(|(name, media_type, bytes)| Descriptor {
        annotations: BTreeMap::from([(TITLE.to_owned(), (*name).to_owned())]),
        ..add(media_type, bytes)
    });
    let layers = layers.collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        artifact_type: ARTIFACT_TYPE.to_owned(),
        config: add(EMPTY_TYPE, b"{}"),
        layers,
    };
    let manifest = add(MANIFEST_TYPE, &json(&manifest));
    let manifest = Descriptor {
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        annotations: BTreeMap::from([("org.opencontainers.image.ref.name".to_owned(), TAG.to_owned())]),
        ..manifest
    };
    let index = Index { schema_version: 2, media_type: INDEX_TYPE.to_owned(), manifests: vec![manifest] };
    files.insert("index.json".to_owned(), json(&index));
    files.insert("oci-layout".to_owned(), LAYOUT.to_vec());
    files
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("text and numbers")
}

/// Checks a layout: every digest and size, nothing missing, nothing extra. The layers by their names.
pub fn check(files: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, Vec<u8>>, String> {
    if files.get("oci-layout").map(Vec::as_slice) != Some(LAYOUT) {
        return Err("oci-layout: missing, or of another version".to_owned());
    }
    let mut used = BTreeSet::from(["oci-layout".to_owned(), "index.json".to_owned()]);
    let mut blob = |descriptor: &Descriptor| -> Result<&Vec<u8>, String> {
        let hash = descriptor.digest.strip_prefix("sha256:").filter(|hash| digest::is_hex(hash, 64));
        let hash = hash.ok_or_else(|| format!("{:?} is no digest", descriptor.digest))?;
        let name = format!("blobs/sha256/{hash}");
        let bytes = files.get(&name).ok_or_else(|| format!("{name} is missing"))?;
        if digest::sha256(bytes) != hash || bytes.len() as u64 != descriptor.size {
            return Err(format!("{name}: its bytes are not those of its digest and size"));
        }
        used.insert(name);
        Ok(bytes)
    };
    let index: Index = read(files.get("index.json"), "index.json")?;
    let [manifest] = &index.manifests[..] else { return Err("index.json: not one manifest".to_owned()) };
    let manifest: Manifest = read(Some(blob(manifest)?), "the manifest")?;
    if manifest.artifact_type != ARTIFACT_TYPE {
        return Err(format!("the artifact is a {:?}, not a corpus", manifest.artifact_type));
    }
    blob(&manifest.config)?;
    let mut layers = BTreeMap::new();
    for layer in &manifest.layers {
        let title = layer.annotations.get(TITLE).ok_or("a layer without a name")?;
        layers.insert(title.clone(), blob(layer)?.clone());
    }
    match files.keys().find(|name| !used.contains(*name)) {
        Some(extra) => Err(format!("{extra} belongs to nothing")),
        None => Ok(layers),
    }
}

fn read<T: for<'a> Deserialize<'a>>(bytes: Option<&Vec<u8>>, what: &str) -> Result<T, String> {
    let bytes = bytes.ok_or_else(|| format!("{what} is missing"))?;
    serde_json::from_slice(bytes).map_err(|error| format!("{what}: {error}"))
}
