//! A module for people: a table of facts, then one table for each kind of thing that it has.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table};
use wasmfusion::module::{
    FunctionDecl, Inspection, Manifest, Nulls, Volatility, escape, signature_text,
};

use super::Report;

/// Columns of a terminal that tables keep within: long descriptions are wrapped.
const WIDTH: u16 = 120;

/// Prints a report.
pub fn print(report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let Some(module) = &report.module else {
        return Ok(());
    };
    writeln!(out, "{}", facts(report, module))?;
    for (title, table) in sections(module) {
        if !table.is_empty() {
            writeln!(out, "\n{title}\n{table}")?;
        }
    }
    Ok(())
}

fn facts(report: &Report, module: &Inspection) -> Table {
    let mut table = table(&[]);
    let mut fact = |name: &str, value: String| {
        table.add_row([name, &value]);
    };
    fact("file", report.file.clone());
    if let Some(manifest) = &module.manifest {
        fact(
            "plugin",
            format!("{} {}", escape(&manifest.name), escape(&manifest.version)),
        );
        if let Some(description) = &manifest.description {
            fact("description", escape(description));
        }
    }
    fact(
        "status",
        if report.accepted {
            "accepted"
        } else {
            "REFUSED"
        }
        .to_owned(),
    );
    fact("size", bytes(module.bytes));
    fact("digest", module.digest.to_string());
    fact(
        "code",
        format!(
            "{} in {} functions",
            bytes(module.code_bytes),
            module.functions
        ),
    );
    fact(
        "data",
        format!(
            "{} in {} segments",
            bytes(module.data_bytes),
            module.data_segments
        ),
    );
    fact(
        "memory",
        all(module.memories.iter().map(|memory| {
            let shared = if memory.shared { ", shared" } else { "" };
            let max = memory
                .max_bytes
                .map_or("what the host allows".to_owned(), bytes);
            format!(
                "{} at the start, at most {max}{shared}",
                bytes(memory.initial_bytes)
            )
        })),
    );
    fact(
        "tables",
        all(module
            .tables
            .iter()
            .map(|t| format!("{} of {}, at most {}", t.initial, t.element, most(t.max)))),
    );
    fact("globals", module.globals.to_string());
    fact(
        "start function",
        if module.start { "yes" } else { "no" }.to_owned(),
    );
    fact(
        "proposals",
        all(module.proposals.iter().map(|p| {
            format!(
                "{}{}",
                p.name,
                if p.allowed { "" } else { " (NOT ALLOWED)" }
            )
        })),
    );
    fact(
        "capabilities",
        match &module.manifest {
            Some(manifest) => all(manifest
                .capabilities
                .iter()
                .map(|capability| escape(&capability.to_string()))),
            None => "not known: the plugin was not asked".to_owned(),
        },
    );
    fact(
        "made by",
        all(module
            .producers
            .iter()
            .map(|p| format!("{} {}", p.name, p.version))),
    );
    table
}

fn sections(module: &Inspection) -> [(&'static str, Table); 4] {
    let mut imports = table(&["module", "name", "type"]);
    for import in &module.imports {
        imports.add_row([&import.module, &import.name, &import.ty.to_string()]);
    }
    let mut exports = table(&["name", "type"]);
    for export in &module.exports {
        exports.add_row([&export.name, &export.ty.to_string()]);
    }
    let mut custom = table(&["name", "size"]);
    for section in &module.custom_sections {
        custom.add_row([&section.name, &bytes(section.bytes)]);
    }
    [
        ("SQL functions", functions(module.manifest.as_ref())),
        ("Imports", imports),
        ("Exports", exports),
        ("Custom sections", custom),
    ]
}

fn functions(manifest: Option<&Manifest>) -> Table {
    let mut table = table(&["signature", "properties", "description"]);
    for function in manifest
        .into_iter()
        .flat_map(|manifest| &manifest.functions)
    {
        let mut lines: Vec<String> = function
            .description
            .iter()
            .map(|text| escape(text))
            .collect();
        for example in &function.examples {
            let result = example
                .result
                .as_ref()
                .map_or(String::new(), |result| format!(" → {}", escape(result)));
            lines.push(format!("{}{result}", escape(&example.sql)));
        }
        table.add_row([
            signature_text(function),
            properties(function),
            lines.join("\n"),
        ]);
    }
    table
}

/// Kind, volatility, treatment of NULLs, further names, and the export if it is called something else.
fn properties(function: &FunctionDecl) -> String {
    let mut properties = vec![function.kind.name().to_owned()];
    if function.kind.event().is_none() {
        let volatility = match function.volatility {
            Volatility::Immutable => "immutable",
            Volatility::Stable => "stable",
            Volatility::Volatile => "volatile",
        };
        properties.push(volatility.to_owned());
    }
    let passing: Vec<String> = function
        .params
        .iter()
        .filter(|p| p.nulls == Nulls::Pass)
        .map(|p| escape(&p.name))
        .collect();
    if !passing.is_empty() {
        properties.push(format!("sees NULL in {}", passing.join(", ")));
    }
    if function.bind {
        properties.push("bound when a query is planned".to_owned());
    }
    if !function.aliases.is_empty() {
        properties.push(format!(
            "also {}",
            all(function.aliases.iter().map(|alias| escape(alias)))
        ));
    }
    if function.export != function.name {
        properties.push(format!("export {}", escape(&function.export)));
    }
    properties.join("\n")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    if !header.is_empty() {
        table.set_header(header.iter().copied());
    }
    table
}

fn all(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

fn most(max: Option<u64>) -> String {
    max.map_or("what the host allows".to_owned(), |max| max.to_string())
}

/// A size as people read it, exact where that is short.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        shown = format!("{size:.1} {unit}");
    }
    if bytes < 1024 {
        shown
    } else {
        format!("{shown} ({bytes} B)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB (1536 B)");
        assert_eq!(bytes(1 << 20), "1.0 MiB (1048576 B)");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB (18446744073709551615 B)");
    }
}
