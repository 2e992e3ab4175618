//! Readers as they are written when nobody thinks of hostile input. Each has one flaw, named at its head, and a twin in
//! `resources-hardened` that gives the same answer to a harmless input.

mod decimal;
mod hl7;
mod inflate;
mod json;
mod xml;
mod zip;

guest_abi::entry!(inflate, inflate::read);
guest_abi::entry!(inflate_capped, inflate::read_capped);
guest_abi::entry!(zip, zip::read);
guest_abi::entry!(xml, xml::read);
guest_abi::entry!(json, json::read);
guest_abi::entry!(hl7, hl7::read);
guest_abi::entry!(decimal, decimal::read);
