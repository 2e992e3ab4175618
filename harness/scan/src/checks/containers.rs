//! Manifests of containers that run a module on a server: Kubernetes, Compose, Dockerfiles. Read as written; what a
//! template would make of itself is not known, and says so.

use crate::subject::{File, Subject};
use crate::yaml::{self, Node};
use crate::{Answer, Context, Finding, Row};
use autoclave_reports::Severity;

/// Kinds of objects that run pods, and where their pod stands.
const PODS: &[(&str, &[&str])] = &[
    ("Pod", &[]),
    ("Deployment", &["spec", "template"]),
    ("StatefulSet", &["spec", "template"]),
    ("DaemonSet", &["spec", "template"]),
    ("ReplicaSet", &["spec", "template"]),
    ("ReplicationController", &["spec", "template"]),
    ("Job", &["spec", "template"]),
    ("CronJob", &["spec", "jobTemplate", "spec", "template"]),
];

/// Everything that manifests say.
#[derive(Default)]
struct Deployment {
    pods: Vec<Pod>,
    services: Vec<Service>,
    policies: Vec<(String, Node)>,
    images: Vec<Image>,
    /// Files that look like manifests and cannot be read.
    unread: Vec<String>,
}

/// A pod of Kubernetes.
struct Pod {
    place: String,
    namespace: String,
    meta: Node,
    spec: Node,
}

/// A service of Compose.
struct Service {
    place: String,
    node: Node,
    networks: Node,
}

/// What a Dockerfile makes.
struct Image {
    place: String,
    user: Option<String>,
    bases: Vec<(String, usize)>,
}

impl Deployment {
    fn of(subject: &Subject) -> Deployment {
        let mut all = Deployment::default();
        all.unread.extend(subject.unread_manifests.iter().map(ToString::to_string));
        for file in &subject.manifests {
            let name = file.name().to_ascii_lowercase();
            if !(name.ends_with(".yaml") || name.ends_with(".yml")) {
                all.images.push(image(file));
                continue;
            }
            let text = file.text();
            let is_kubernetes = text.contains("apiVersion") && text.contains("kind:");
            let is_compose = name.contains("compose") || text.contains("services:") && text.contains("image:");
            if !is_kubernetes && !is_compose {
                continue;
            }
            if is_kubernetes && text.contains("{{") {
                all.unread.push(format!("{}: a template; give what it makes, as `helm template` does", file.path));
                continue;
            }
            match yaml::read(&text) {
                Ok(documents) => documents.into_iter().for_each(|node| all.document(&file.path, node, 0)),
                Err(error) => all.unread.push(format!("{}: {error}", file.path)),
            }
        }
        all
    }

    fn document(&mut self, path: &str, node: Node, depth: usize) {
        if let Some(services) = node.get("services").filter(|_| node.get("apiVersion").is_none()) {
            for (name, service) in services.pairs() {
                let networks = node.get("networks").cloned().unwrap_or(Node::Map(Vec::new()));
                let place = format!("{path}: service {name}");
                self.services.push(Service { place, node: service.clone(), networks });
            }
            return;
        }
        let kind = node.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
        if kind.ends_with("List") && depth < 4 {
            let items = node.get("items").map(|items| items.items().to_vec()).unwrap_or_default();
            items.into_iter().for_each(|item| self.document(path, item, depth + 1));
            return;
        }
        let name = node.at(&["metadata", "name"]).and_then(Node::text).unwrap_or("without a name");
        let place = format!("{path}: {kind} {name}");
        let namespace = node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or("default").to_owned();
        if kind == "NetworkPolicy" {
            self.policies.push((namespace, node));
        } else if let Some((_, keys)) = PODS.iter().find(|(known, _)| *known == kind) {
            let pod = node.at(keys).cloned().unwrap_or(Node::Map(Vec::new()));
            let empty = || Node::Map(Vec::new());
            let (meta, spec) = (pod.get("metadata").cloned(), pod.get("spec").cloned());
            if spec.as_ref().and_then(|spec| spec.get("containers")).map(Node::items).unwrap_or_default().is_empty() {
                self.unread.push(format!("{place}: no containers in it"));
            }
            self.pods.push(Pod {
                place,
                namespace,
                meta: meta.unwrap_or_else(empty),
                spec: spec.unwrap_or_else(empty),
            });
        }
    }

    /// The answer of a question: none if there is nothing to ask, a gap if something cannot be read.
    fn answer(&self, is_asked: bool, why_not: &str, found: Vec<Finding>) -> Answer {
        if let Some(first) = self.unread.first() {
            return Answer::NotTested(format!("{} manifests cannot be read: {first}", self.unread.len()), found);
        }
        if self.pods.is_empty() && self.services.is_empty() && self.images.is_empty() {
            return Answer::NotApplicable(
                "there are no manifests of containers; --manifests names their folder".to_owned(),
            );
        }
        if is_asked { Answer::Judged(found) } else { Answer::NotTested(why_not.to_owned(), found) }
    }

    fn runs(&self) -> bool {
        !self.pods.is_empty() || !self.services.is_empty()
    }
}

impl Pod {
    fn containers(&self) -> impl Iterator<Item = (String, &Node)> {
        ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|key| {
            self.spec.get(key).map(Node::items).unwrap_or_default().iter().map(|one| {
                let name = one.get("name").and_then(Node::text).unwrap_or("without a name");
                (format!("{}, container {name}", self.place), one)
            })
        })
    }

    /// A setting of the container, else the pod's.
    fn setting<'a>(&'a self, container: &'a Node, keys: &[&str]) -> Option<&'a Node> {
        let of = |node: &'a Node| node.get("securityContext").and_then(|context| context.at(keys));
        of(container).or_else(|| of(&self.spec))
    }
}

fn finding(severity: Severity, what: &str, place: &str) -> Finding {
    Finding::new("", severity, what, place)
}

fn image(file: &File) -> Image {
    let mut image = Image { place: file.path.clone(), user: None, bases: Vec::new() };
    let mut stages: Vec<String> = Vec::new();
    let text = file.text().replace("\\\r\n", " ").replace("\\\n", " ");
    for (number, line) in text.lines().enumerate().take(10_000) {
        let mut words = line.split_whitespace();
        let Some(instruction) = words.next() else { continue };
        match instruction.to_ascii_uppercase().as_str() {
            "FROM" => {
                let mut words = words.filter(|word| !word.starts_with("--"));
                let base = words.next().unwrap_or_default().to_owned();
                let name = words.nth(1).unwrap_or_default().to_lowercase();
                if base != "scratch" && !stages.contains(&base.to_lowercase()) {
                    image.bases.push((base, number + 1));
                }
                stages.push(name);
                // Each stage begins as its base is: root, for all that is known.
                image.user = None;
            }
            "USER" => image.user = words.next().map(str::to_owned),
            _ => {}
        }
    }
    image
}

fn is_root(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    name.is_empty() || name == "root" || name.parse() == Ok(0u64)
}

/// Not root, no capabilities, no way to more privileges.
pub fn privileges(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let all = Deployment::of(subject);
    let mut found = Vec::new();
    for pod in &all.pods {
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            if pod.spec.get(key).and_then(Node::truth) == Some(true) {
                found.push(finding(Severity::High, &format!("{key}: shares it with the host"), &pod.place));
            }
        }
        for (place, container) in pod.containers() {
            let truth = |key: &str| pod.setting(container, &[key]).and_then(Node::truth);
            let user = pod.setting(container, &["runAsUser"]).and_then(Node::text);
            if truth("runAsNonRoot") != Some(true) {
                found.push(finding(Severity::High, "runAsNonRoot is not true", &place));
            }
            if user.is_some_and(is_root) {
                found.push(finding(Severity::High, "runAsUser is root", &place));
            }
            if truth("privileged") == Some(true) {
                found.push(finding(Severity::Critical, "privileged", &place));
            }
            // Only the container has this one.
            let escalation = container.at(&["securityContext", "allowPrivilegeEscalation"]).and_then(Node::truth);
            if escalation != Some(false) {
                found.push(finding(Severity::High, "allowPrivilegeEscalation is not false", &place));
            }
            let added = container.at(&["securityContext", "capabilities", "add"]).map(Node::items).unwrap_or_default();
            for capability in added.iter().filter_map(Node::text) {
                // The one that the restricted standard lets be.
                let severity = if capability == "NET_BIND_SERVICE" { Severity::Info } else { Severity::High };
                found.push(finding(severity, &format!("adds the capability {capability}"), &place));
            }
            let dropped =
                container.at(&["securityContext", "capabilities", "drop"]).map(Node::items).unwrap_or_default();
            if !dropped.iter().any(|one| one.text().is_some_and(|name| name.eq_ignore_ascii_case("all"))) {
                found.push(finding(Severity::Info, "does not drop all capabilities", &place));
            }
        }
    }
    for Service { place, node, .. } in &all.services {
        if node.get("privileged").and_then(Node::truth) == Some(true) {
            found.push(finding(Severity::Critical, "privileged", place));
        }
        for capability in node.get("cap_add").map(Node::items).unwrap_or_default().iter().filter_map(Node::text) {
            found.push(finding(Severity::High, &format!("adds the capability {capability}"), place));
        }
        if node.get("user").and_then(Node::text).is_none_or(is_root) {
            found.push(finding(Severity::High, "`user` is not set, or is root", place));
        }
        let is_set =
            |option: &str| matches!(option.replace('=', ":").as_str(), "no-new-privileges" | "no-new-privileges:true");
        if !options(node).any(is_set) {
            found.push(finding(Severity::High, "security_opt lacks no-new-privileges", place));
        }
        for (key, value) in [("network_mode", "host"), ("pid", "host"), ("ipc", "host")] {
            if node.get(key).and_then(Node::text) == Some(value) {
                found.push(finding(Severity::High, &format!("{key}: shares it with the host"), place));
            }
        }
    }
    for Image { place, user, .. } in &all.images {
        match user {
            Some(user) if user.contains('$') => {
                found.push(finding(Severity::Info, "USER is decided while it is built", place));
            }
            Some(user) if !is_root(user) => {}
            _ => found.push(finding(
                Severity::High,
                "the image runs as root: its last stage has no USER, or root",
                place,
            )),
        }
    }
    all.answer(true, "", found)
}

fn options(service: &Node) -> impl Iterator<Item = &str> {
    service.get("security_opt").map(Node::items).unwrap_or_default().iter().filter_map(Node::text)
}

/// Nothing of the root file system is written, and the host's folders are not opened for the module.
pub fn read_only(subject: &Subject, context: &Context<'_>, _: &[Row]) -> Answer {
    let all = Deployment::of(subject);
    let mut found = Vec::new();
    for pod in &all.pods {
        let volumes = pod.spec.get("volumes").map(Node::items).unwrap_or_default();
        for (place, container) in pod.containers() {
            if container.at(&["securityContext", "readOnlyRootFilesystem"]).and_then(Node::truth) != Some(true) {
                found.push(finding(Severity::High, "readOnlyRootFilesystem is not true", &place));
            }
            for mount in container.get("volumeMounts").map(Node::items).unwrap_or_default() {
                let name = mount.get("name").and_then(Node::text);
                let of_host = volumes
                    .iter()
                    .any(|volume| volume.get("name").and_then(Node::text) == name && volume.get("hostPath").is_some());
                if of_host && mount.get("readOnly").and_then(Node::truth) != Some(true) {
                    let what = format!("writes to the host: volume {}", name.unwrap_or_default());
                    found.push(finding(Severity::High, &what, &place));
                }
            }
            let words =
                ["command", "args"].into_iter().flat_map(|key| container.get(key).map(Node::items).unwrap_or_default());
            preopens(&words.filter_map(Node::text).collect::<Vec<_>>(), context, &place, &mut found);
        }
    }
    for Service { place, node, .. } in &all.services {
        if node.get("read_only").and_then(Node::truth) != Some(true) {
            found.push(finding(Severity::High, "read_only is not true", place));
        }
        for volume in node.get("volumes").map(Node::items).unwrap_or_default() {
            let (source, is_read_only) = match volume {
                Node::Scalar(text, _) => {
                    (text.split(':').next().unwrap_or_default(), text.ends_with(":ro") || text.contains(":ro,"))
                }
                other => (
                    other.get("source").and_then(Node::text).unwrap_or_default(),
                    other.get("read_only").and_then(Node::truth) == Some(true),
                ),
            };
            let of_host = source.starts_with(['/', '.', '~']);
            if of_host && !is_read_only {
                found.push(finding(Severity::High, &format!("writes to the host: {source}"), place));
            }
        }
        for key in ["command", "entrypoint"] {
            let words: Vec<&str> = match node.get(key) {
                Some(Node::Scalar(text, _)) => text.split_whitespace().collect(),
                Some(other) => other.items().iter().filter_map(Node::text).collect(),
                None => Vec::new(),
            };
            preopens(&words, context, place, &mut found);
        }
    }
    all.answer(all.runs(), "an image alone does not say how it is mounted", found)
}

/// Folders that a WASI runtime is told to open: `--dir /data`, `--dir=/data::/in`, `--mapdir /in::/data`.
fn preopens(words: &[&str], context: &Context<'_>, place: &str, found: &mut Vec<Finding>) {
    for (at, word) in words.iter().enumerate() {
        let flag = ["--dir", "--mapdir", "--preopen"].into_iter().find(|flag| word.starts_with(flag));
        let Some(flag) = flag else { continue };
        let value = match word[flag.len()..].strip_prefix('=') {
            Some(value) => value,
            None if word.len() == flag.len() => words.get(at + 1).copied().unwrap_or_default(),
            None => continue,
        };
        let (first, second) = value.split_once("::").unwrap_or((value, value));
        let folder = if flag == "--mapdir" { second } else { first };
        if !context.policy.container.preopens.iter().any(|known| known == folder) {
            let what = format!("the module may write to the folder {folder}, which the policy does not name");
            found.push(finding(Severity::High, &what, place));
        }
    }
}

/// seccomp and AppArmor are set, and not off.
pub fn confined(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let all = Deployment::of(subject);
    let mut found = Vec::new();
    for pod in &all.pods {
        for (place, container) in pod.containers() {
            match pod.setting(container, &["seccompProfile", "type"]).and_then(Node::text) {
                Some("RuntimeDefault" | "Localhost") => {}
                Some(other) => found.push(finding(Severity::High, &format!("seccompProfile is {other}"), &place)),
                None => found.push(finding(Severity::High, "there is no seccompProfile", &place)),
            }
            let name = container.get("name").and_then(Node::text).unwrap_or_default();
            let annotation = format!("container.apparmor.security.beta.kubernetes.io/{name}");
            let annotated = pod.meta.get("annotations").and_then(|all| all.get(&annotation)).and_then(Node::text);
            let profile = pod.setting(container, &["appArmorProfile", "type"]).and_then(Node::text).or(annotated);
            match profile {
                Some(profile) if profile.eq_ignore_ascii_case("unconfined") => {
                    found.push(finding(Severity::High, "AppArmor is off", &place));
                }
                Some(_) => {}
                None if pod.setting(container, &["seLinuxOptions"]).is_some() => {}
                None => found.push(finding(Severity::Info, "neither AppArmor nor SELinux is named", &place)),
            }
        }
    }
    for Service { place, node, .. } in &all.services {
        for option in options(node) {
            let option = option.replace('=', ":");
            if matches!(option.as_str(), "seccomp:unconfined" | "apparmor:unconfined" | "label:disable") {
                found.push(finding(Severity::High, &format!("security_opt {option}"), place));
            }
        }
        if !options(node).any(|option| option.starts_with("seccomp")) {
            found.push(finding(Severity::Info, "no seccomp profile is named: the engine's own holds", place));
        }
    }
    all.answer(all.runs(), "an image alone does not say how it is confined", found)
}

/// Something selects each pod and says where it may send; everywhere is not an answer.
pub fn egress(subject: &Subject, _: &Context<'_>, _: &[Row]) -> Answer {
    let all = Deployment::of(subject);
    let mut found = Vec::new();
    for pod in &all.pods {
        let labels = pod.meta.get("labels").cloned().unwrap_or(Node::Map(Vec::new()));
        let mut covered = false;
        for (namespace, policy) in &all.policies {
            let selector = policy.at(&["spec", "podSelector"]).cloned().unwrap_or(Node::Map(Vec::new()));
            let rules = policy.at(&["spec", "egress"]);
            let types = policy.at(&["spec", "policyTypes"]).map(Node::items);
            let is_egress = match types {
                Some(types) => types.iter().any(|one| one.text() == Some("Egress")),
                None => rules.is_some(),
            };
            if *namespace != pod.namespace || !is_egress || !selects(&selector, &labels) {
                continue;
            }
            covered = true;
            for rule in rules.map(Node::items).unwrap_or_default() {
                let to = rule.get("to").map(Node::items).unwrap_or_default();
                if to.is_empty() {
                    found.push(finding(
                        Severity::High,
                        "a NetworkPolicy lets it send to everywhere: a rule without `to`",
                        &pod.place,
                    ));
                }
                for cidr in to.iter().filter_map(|to| to.at(&["ipBlock", "cidr"])?.text()) {
                    if matches!(cidr, "0.0.0.0/0" | "::/0") {
                        found.push(finding(
                            Severity::High,
                            &format!("a NetworkPolicy lets it send to {cidr}"),
                            &pod.place,
                        ));
                    }
                }
            }
        }
        if !covered {
            found.push(finding(Severity::High, "no NetworkPolicy selects it for Egress", &pod.place));
        }
    }
    for Service { place, node, networks } in &all.services {
        if node.get("network_mode").and_then(Node::text) == Some("none") {
            continue;
        }
        let named: Vec<&str> = match node.get("networks") {
            Some(Node::List(items)) => items.iter().filter_map(Node::text).collect(),
            Some(other) => other.pairs().map(|(name, _)| name).collect(),
            None => vec!["default"],
        };
        let is_open =
            |name: &&&str| networks.get(name).and_then(|one| one.get("internal")).and_then(Node::truth) != Some(true);
        if let Some(name) = named.iter().find(is_open) {
            found.push(finding(Severity::High, &format!("its network {name} is not internal"), place));
        }
    }
    all.answer(all.runs(), "an image alone does not say where it may send", found)
}

/// Whether a selector of labels selects these.
fn selects(selector: &Node, labels: &Node) -> bool {
    let label = |key: &str| labels.get(key).and_then(Node::text);
    let equal =
        selector.get("matchLabels").is_none_or(|wanted| wanted.pairs().all(|(key, value)| label(key) == value.text()));
    let expressions = selector.get("matchExpressions").map(Node::items).unwrap_or_default();
    equal
        && expressions.iter().all(|expression| {
            let key = expression.get("key").and_then(Node::text).unwrap_or_default();
            let values = expression.get("values").map(Node::items).unwrap_or_default();
            let is_in = || label(key).is_some_and(|own| values.iter().any(|value| value.text() == Some(own)));
            match expression.get("operator").and_then(Node::text) {
                Some("In") => is_in(),
                Some("NotIn") => !is_in(),
                Some("Exists") => label(key).is_some(),
                Some("DoesNotExist") => label(key).is_none(),
                _ => false,
            }
        })
}

/// Images that manifests name without a digest.
pub fn images(subject: &Subject) -> Vec<Finding> {
    let all = Deployment::of(subject);
    let mut found = Vec::new();
    let mut check = |image: &str, place: &str| {
        if !image.is_empty() && !image.contains("@sha256:") {
            found.push(finding(Severity::Medium, &format!("the image {image} has no digest and may change"), place));
        }
    };
    for pod in &all.pods {
        for (place, container) in pod.containers() {
            check(container.get("image").and_then(Node::text).unwrap_or_default(), &place);
        }
    }
    for service in all.services.iter().filter(|service| service.node.get("build").is_none()) {
        check(service.node.get("image").and_then(Node::text).unwrap_or_default(), &service.place);
    }
    for image in &all.images {
        for (base, line) in &image.bases {
            check(base, &format!("{}:{line}", image.place));
        }
    }
    found
}
