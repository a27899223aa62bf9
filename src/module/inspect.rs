//! What is in a module, for people and scripts that look at one; also for modules that [`validate`](super::validate) refuses.

use serde::{Serialize, Serializer};
use wasmparser::types::{EntityType, Types};
use wasmparser::{
    KnownCustom, MemoryType, Parser, Payload, ProducersSectionReader, TableType, Validator,
};

use super::info::{ExternType, Import};
use super::{Digest, Manifest, ModuleError, proposals, source, text};

/// What is in a module. Every text of the guest is escaped.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Size of the binary form, in bytes.
    pub bytes: u64,
    /// Identity of the module.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// What compilers and tools say of themselves in the module.
    pub producers: Vec<Producer>,
    /// What the module uses beyond the first version of WebAssembly.
    pub proposals: Vec<ProposalUse>,
    /// What it imports.
    pub imports: Vec<Import>,
    /// What it exports.
    pub exports: Vec<Export>,
    /// Functions that it defines.
    pub functions: u32,
    /// Size of its code, in bytes.
    pub code_bytes: u64,
    /// Its linear memories, imported ones included.
    pub memories: Vec<MemoryUse>,
    /// Its tables, imported ones included.
    pub tables: Vec<TableUse>,
    /// Number of its globals, imported ones included.
    pub globals: u32,
    /// Number of its data segments.
    pub data_segments: u32,
    /// Size of its data segments, in bytes.
    pub data_bytes: u64,
    /// Whether it has a function that runs at instantiation.
    pub start: bool,
    /// Its custom sections.
    pub custom_sections: Vec<CustomSection>,
    /// What it says of itself, if that was asked for: functions and wanted capabilities.
    pub manifest: Option<Manifest>,
}

/// A compiler or tool that worked on a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A proposal that a module uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposalUse {
    /// Its name.
    pub name: &'static str,
    /// Whether Wasmfusion allows it.
    pub allowed: bool,
}

/// An export of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub ty: ExternType,
}

/// A linear memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryUse {
    /// Size at the start, in bytes.
    pub initial_bytes: u64,
    /// Largest size by the module's own account, in bytes.
    pub max_bytes: Option<u64>,
    /// Whether threads may share it.
    pub shared: bool,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableUse {
    /// Type of its elements.
    pub element: String,
    /// Elements at the start.
    pub initial: u64,
    /// Most elements by the module's own account.
    pub max: Option<u64>,
}

/// A custom section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomSection {
    /// Its name.
    pub name: String,
    /// Size of its content, in bytes.
    pub bytes: u64,
}

impl Inspection {
    /// Looks at the binary form of a module. `manifest` is passed on.
    ///
    /// # Errors
    ///
    /// If `bytes` are no core module that is valid with every proposal there is.
    pub fn new(bytes: &[u8], manifest: Option<Manifest>) -> Result<Self, ModuleError> {
        source::check_header(bytes)?;
        let types = Validator::new_with_features(proposals::all()).validate_all(bytes)?;
        let proposals = proposals::used(bytes)?;
        let mut inspection = Self::of_types(&types);
        inspection.bytes = bytes.len() as u64;
        inspection.digest = Digest::of(bytes);
        inspection.manifest = manifest;
        inspection.proposals = proposals
            .into_iter()
            .map(|p| ProposalUse {
                name: p.name,
                allowed: proposals::ALLOWED.contains(p.features),
            })
            .collect();
        for payload in Parser::new(0).parse_all(bytes) {
            inspection.payload(payload?)?;
        }
        Ok(inspection)
    }

    /// What the types say; the rest is empty.
    fn of_types(types: &Types) -> Self {
        let types = types.as_ref();
        let (imports, exports) = (types.core_imports(), types.core_exports());
        Self {
            bytes: 0,
            digest: Digest([0; 32]),
            producers: Vec::new(),
            proposals: Vec::new(),
            imports: imports
                .into_iter()
                .flatten()
                .map(|(module, name, ty)| import(module, name, ExternType::new(ty, types)))
                .collect(),
            exports: exports
                .into_iter()
                .flatten()
                .map(|(name, ty): (&str, EntityType)| Export {
                    name: text::escape(name),
                    ty: ExternType::new(ty, types),
                })
                .collect(),
            functions: 0,
            code_bytes: 0,
            memories: (0..types.memory_count())
                .map(|i| memory(types.memory_at(i)))
                .collect(),
            tables: (0..types.table_count())
                .map(|i| table(types.table_at(i)))
                .collect(),
            globals: types.global_count(),
            data_segments: 0,
            data_bytes: 0,
            start: false,
            custom_sections: Vec::new(),
            manifest: None,
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::StartSection { .. } => self.start = true,
            Payload::CodeSectionStart { count, size, .. } => {
                self.functions = count;
                self.code_bytes = size.into();
            }
            Payload::DataSection(section) => {
                self.data_segments = section.count();
                for segment in section {
                    self.data_bytes += segment?.data.len() as u64;
                }
            }
            Payload::CustomSection(section) => {
                self.custom_sections.push(CustomSection {
                    name: text::escape(section.name()),
                    bytes: section.data().len() as u64,
                });
                if let KnownCustom::Producers(producers) = section.as_known() {
                    // Damage in a custom section does not make the module invalid.
                    self.producers = read_producers(producers).unwrap_or_default();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn import(module: &str, name: &str, ty: ExternType) -> Import {
    Import {
        module: text::escape(module),
        name: text::escape(name),
        ty,
    }
}

fn memory(memory: MemoryType) -> MemoryUse {
    let MemoryType {
        initial,
        maximum,
        shared,
        memory64: _,
        page_size_log2,
    } = memory;
    let bytes = |pages: u64| pages.saturating_mul(1 << page_size_log2.unwrap_or(16));
    MemoryUse {
        initial_bytes: bytes(initial),
        max_bytes: maximum.map(bytes),
        shared,
    }
}

fn table(table: TableType) -> TableUse {
    let TableType {
        element_type,
        initial,
        maximum,
        table64: _,
        shared: _,
    } = table;
    TableUse {
        element: element_type.to_string(),
        initial,
        max: maximum,
    }
}

fn read_producers(section: ProducersSectionReader<'_>) -> Result<Vec<Producer>, wasmparser::Error> {
    let mut producers = Vec::new();
    for field in section {
        let field = field?;
        for value in field.values {
            let value = value?;
            producers.push(Producer {
                role: text::escape(field.name),
                name: text::escape(value.name),
                version: text::escape(value.version),
            });
        }
    }
    Ok(producers)
}

fn as_text<S: Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

#[cfg(test)]
mod tests;
