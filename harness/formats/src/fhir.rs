//! FHIR resources: releases, definitions, and readers for JSON, XML and NDJSON.
