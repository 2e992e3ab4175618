#!/usr/bin/env python3
# Writes r4.tsv, r4b.tsv and r5.tsv beside it: the types and elements of FHIR, out of HL7's published definitions.
#
# make.py [FOLDER]: packages are fetched into FOLDER (default: a temporary one) by Maven, and kept there. Python's
# standard library alone; the same packages give the same bytes. The format is described in ../src/fhir/definitions.rs.
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
MAVEN = "ca.uhn.hapi.fhir:hapi-fhir-validation-resources-{}:8.8.1"
BASE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM = "http://hl7.org/fhirpath/System."
HEAD = """\
# FHIR {release} ({version}): types and elements of HL7's published definitions. Made by make.py from
# {package}, {files}.
# FHIR is © HL7, published under CC0 1.0 (hl7.org/fhir/license.html): no rights reserved.
"""


def maven(folder, release):
    file = folder / f"hapi-fhir-validation-resources-{release}-8.8.1.jar"
    if not file.exists():
        artifact = MAVEN.format(release)
        command = ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
        subprocess.run(command, check=True)
    return zipfile.ZipFile(file)


def from_xml(node):
    """A resource in XML as the JSON form that is used here: names, values, lists for what is repeated in definitions."""
    lists = {"entry", "element", "type", "extension", "representation"}
    if "value" in node.attrib:
        return node.attrib["value"]
    out = {"url": node.attrib["url"]} if "url" in node.attrib else {}
    for child in node:
        name = child.tag.split("}")[1]
        if name in ("text", "contained", "mapping", "differential", "constraint"):
            continue
        if name == "resource":
            kind = child[0].tag.split("}")[1]
            out[name] = {"resourceType": kind} | (from_xml(child[0]) if kind == "StructureDefinition" else {})
        elif name in lists and not (name == "type" and node.tag.endswith("StructureDefinition")):
            out.setdefault(name, []).append(from_xml(child))
        else:
            out[name] = from_xml(child)
    return out


def bundle(entries):
    return [entry["resource"] for entry in entries["entry"] if entry["resource"]["resourceType"] == "StructureDefinition"]


def profiles(folder, release):
    with maven(folder, release) as package:
        for name in ("types", "resources"):
            with package.open(f"org/hl7/fhir/{release}/model/profile/profiles-{name}.xml") as file:
                yield from bundle(from_xml(xml.etree.ElementTree.parse(file).getroot()))


def r4(folder):
    return profiles(folder, "r4")


def r4b(folder):
    return profiles(folder, "r4b")


def r5(folder):
    with maven(folder, "r5") as package:
        with tarfile.open(fileobj=package.open("org/hl7/fhir/r5/packages/hl7.fhir.r5.core-5.0.0.tgz")) as core:
            for member in core.getmembers():
                if member.name.startswith("package/StructureDefinition-"):
                    yield json.load(core.extractfile(member))


# 5.0.0 was published with a brace too many, so that no number with an exponent matches.
ERRATA = {
    "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,9}})?": "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,9})?"
}
RELEASES = [
    ("R4", r4, MAVEN.format("r4"), "profiles-types.xml and profiles-resources.xml"),
    ("R4B", r4b, MAVEN.format("r4b"), "profiles-types.xml and profiles-resources.xml"),
    ("R5", r5, MAVEN.format("r5"), "hl7.fhir.r5.core-5.0.0.tgz"),
]


def extension(of, url):
    found = [each for each in of.get("extension", []) if each["url"] == BASE + url]
    return next((value for key, value in found[0].items() if key.startswith("value")), None) if found else None


def type_of(path, each, kind):
    if not each["code"].startswith(SYSTEM):
        return each["code"]
    if path.endswith(".id"):
        # The definitions say `string` here and `id` there of both; the pages of all releases say which is which.
        return "id" if kind == "resource" and path.count(".") == 1 else "string"
    return extension(each, "structuredefinition-fhir-type") or "string"


def elements(definition):
    """Elements by the type that holds them: {"Patient": [(name, "0..1", types)], "Patient.contact": …}, in order."""
    root = definition["type"]
    held = {root: []}
    bases = {}
    for element in definition["snapshot"]["element"]:
        path = element["path"]
        if "." not in path:
            continue
        parent, name = path.rsplit(".", 1)
        types = [type_of(path, each, definition["kind"]) for each in element.get("type", [])]
        if "contentReference" in element:
            types = [element["contentReference"].split("#")[1]]
        if types in (["BackboneElement"], ["Element"]):
            bases[path], types = types[0], [path]
            held[path] = []
        attribute = "@" if "xmlAttr" in element.get("representation", []) else ""
        held[parent].append((name, f"{element['min']}..{element['max']}{attribute}", "|".join(types)))
    return held, bases


def primitive_regex(definition):
    for element in definition["snapshot"]["element"]:
        if element["path"].endswith(".value"):
            regex = extension(element["type"][0], "regex") or ""
            return ERRATA.get(regex, regex)
    raise SystemExit(f"{definition['name']} has no value")


def lines(definitions):
    """The table: a line per type, then one per element that its base does not have already."""
    whole, rows = {"": []}, []
    definitions = [d for d in definitions if d.get("derivation") != "constraint" and d["kind"] != "logical"]
    names = {d["name"]: d for d in definitions}
    done = set()

    def write(definition):
        name = definition["type"]
        if name in done:
            return
        done.add(name)
        base = definition.get("baseDefinition", "").removeprefix(BASE)
        if base in names:
            write(names[base])
        else:
            base = ""
        abstract = str(definition["abstract"]).lower() == "true"
        if definition["kind"] == "primitive-type":
            rows.append(f"={name}\t{base}\tprimitive\t{primitive_regex(definition)}")
            return
        kind = "abstract" if abstract else {"resource": "resource", "complex-type": "complex"}[definition["kind"]]
        held, bases = elements(definition)
        for path, own in held.items():
            above = base if path == name else bases[path]
            inherited = whole.get(above, [])
            if own[: len(inherited)] != inherited:
                above, inherited = "", []
            whole[path] = own
            rows.append(f"={path}\t{above}\t{kind if path == name else 'backbone'}")
            rows.extend("\t".join(element) for element in own[len(inherited) :])

    for name in ["Element", "BackboneElement", *sorted(names)]:
        write(names[name])
    return rows


def shorten(rows):
    """Lists of more than three types get a number where they come again."""
    count = {}
    for row in rows:
        types = row.rsplit("\t", 1)[-1]
        if types.count("|") > 2 and not row.startswith("="):
            count[types] = count.get(types, 0) + 1
    short = {types: f"*{index}" for index, types in enumerate(sorted(t for t, n in count.items() if n > 1))}
    for types, name in short.items():
        yield f"{name}\t{types}"
    for row in rows:
        head, tab, types = row.rpartition("\t")
        yield head + tab + short.get(types, types)


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        for release, definitions, package, files in RELEASES:
            found = list(definitions(folder))
            version = next(d["fhirVersion"] for d in found if d["name"] == "Element")
            text = HEAD.format(release=release, version=version, package=package, files=files)
            text += "".join(row + "\n" for row in shorten(lines(found)))
            new = HERE / f"{release.lower()}.tsv.new"
            new.write_text(text, encoding="utf-8")
            new.replace(HERE / f"{release.lower()}.tsv")
            print(f"{release} {version}: {len(text.encode())} bytes")


if __name__ == "__main__":
    main()
