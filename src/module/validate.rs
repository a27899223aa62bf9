//! Decides whether a module may be compiled, and says precisely why not.

use wasmfusion_abi::export;
use wasmparser::types::Types;
use wasmparser::{FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator};

use super::error::ModuleError;
use super::info::{AbiVersion, ExternType, Import, ModuleInfo, Signature};
use super::instrument::{START_EXPORT, WATCH_EXPORT};
use super::{proposals, source, text};
use crate::limits::Limits;

const PAGE_BYTES: u64 = 1 << 16;

/// Checks the binary form of a module against WebAssembly, the interface, the limits and what the host offers.
///
/// `offered` gives the type of the host function of this name in this module; whether the plugin may have it is decided when its
/// manifest is known.
///
/// # Errors
///
/// The first reason to refuse the module. Damage and proposals come before imports, imports before exports.
pub fn validate(
    bytes: &[u8],
    limits: &Limits,
    offered: impl Fn(&str, &str) -> Option<Signature>,
) -> Result<ModuleInfo, ModuleError> {
    source::check_size(bytes.len() as u64, limits)?;
    source::check_header(bytes)?;
    let types = check_code(bytes, limits)?;

    let info = describe(&types);
    check_imports(&info, offered)?;
    check_memory(&types, &info, limits)?;
    check_exports(&info)?;
    Ok(info)
}

/// That the module is valid with the allowed proposals only, and no larger in any part than the limits allow.
///
/// Counts and sizes are looked at before the work that they bound.
fn check_code(bytes: &[u8], limits: &Limits) -> Result<Types, ModuleError> {
    let mut parser = Parser::new(0);
    parser.set_features(proposals::ALLOWED);
    let mut validator = Validator::new_with_features(proposals::ALLOWED);
    let mut allocations = FuncValidatorAllocations::default();
    let mut types = None;

    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(|e| diagnose(bytes, e))?;
        if let Payload::FunctionSection(functions) = &payload {
            let found = functions.count();
            let max = limits.module_functions_max;
            if found > max {
                return Err(ModuleError::TooManyFunctions { found, max });
            }
        }
        match validator
            .payload(&payload)
            .map_err(|e| diagnose(bytes, e))?
        {
            ValidPayload::Func(function, body) => {
                let size = body.range().len() as u64;
                let max = limits.module_function_bytes_max;
                if size > u64::from(max) {
                    return Err(ModuleError::FunctionTooLarge {
                        function: function.index,
                        bytes: size,
                        max,
                    });
                }
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(|e| diagnose(bytes, e))?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(end) => types = Some(end),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    types.ok_or_else(|| ModuleError::Malformed {
        message: "the module ends too early".to_owned(),
        offset: bytes.len(),
    })
}

/// Why a module is not valid: because it uses what is not allowed, or because it is damaged.
fn diagnose(bytes: &[u8], error: wasmparser::Error) -> ModuleError {
    match proposals::refused(bytes).as_slice() {
        [] => error.into(),
        refused => ModuleError::Proposals {
            proposals: refused.iter().map(|p| p.name).collect(),
        },
    }
}

fn describe(types: &Types) -> ModuleInfo {
    let types = types.as_ref();
    let memory = (types.memory_count() > 0).then(|| types.memory_at(0));
    ModuleInfo {
        functions: types.function_count(),
        imports: types
            .core_imports()
            .into_iter()
            .flatten()
            .map(|(module, name, ty)| Import {
                module: module.to_owned(),
                name: name.to_owned(),
                ty: ExternType::new(ty, types),
            })
            .collect(),
        exports: types
            .core_exports()
            .into_iter()
            .flatten()
            .map(|(name, ty)| (name.to_owned(), ExternType::new(ty, types)))
            .collect(),
        memory_bytes: memory.map_or(0, |m| m.initial.saturating_mul(PAGE_BYTES)),
        memory_bytes_max: memory
            .and_then(|m| m.maximum)
            .map(|pages| pages.saturating_mul(PAGE_BYTES)),
        table_elements: (0..types.table_count())
            .map(|i| types.table_at(i).initial)
            .fold(0, u64::saturating_add),
    }
}

fn check_imports(
    info: &ModuleInfo,
    offered: impl Fn(&str, &str) -> Option<Signature>,
) -> Result<(), ModuleError> {
    // Only functions are offered: a memory, table or global would be shared state between host and guest.
    let offer = |i: &Import| match i.ty {
        ExternType::Func(_) => offered(&i.module, &i.name).map(ExternType::Func),
        _ => None,
    };
    let missing: Vec<Import> = info
        .imports
        .iter()
        .filter(|i| offer(i).is_none())
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(ModuleError::Imports { missing });
    }
    for import in &info.imports {
        if let Some(expected) = offer(import)
            && expected != import.ty
        {
            return Err(ModuleError::ImportType {
                name: text::name(&import.name),
                found: format!("a {}", import.ty),
                expected: format!("a {expected}"),
            });
        }
    }
    Ok(())
}

fn check_memory(types: &Types, info: &ModuleInfo, limits: &Limits) -> Result<(), ModuleError> {
    let found = types.as_ref().memory_count();
    if found != 1 {
        return Err(ModuleError::MemoryCount { found });
    }
    if info.memory_bytes > limits.memory_bytes_max {
        return Err(ModuleError::MemoryTooLarge {
            bytes: info.memory_bytes,
            max: limits.memory_bytes_max,
        });
    }
    if info.table_elements > limits.table_elements_max {
        return Err(ModuleError::TablesTooLarge {
            elements: info.table_elements,
            max: limits.table_elements_max,
        });
    }
    Ok(())
}

fn check_exports(info: &ModuleInfo) -> Result<(), ModuleError> {
    for name in [WATCH_EXPORT, START_EXPORT] {
        if info.exports.contains_key(name) {
            let name = name.to_owned();
            return Err(ModuleError::ReservedExport { name });
        }
    }
    if !info.exports.contains_key(export::ABI_VERSION) {
        AbiVersion::of(None).check()?;
    }
    require(info, export::MEMORY, &ExternType::Memory)?;
    require(
        info,
        export::ABI_VERSION,
        &ExternType::Func(Signature::i32(0)),
    )?;
    require(info, export::DESCRIBE, &ExternType::Func(Signature::i32(0)))?;
    require(info, export::ALLOC, &ExternType::Func(Signature::i32(2)))?;
    if info.has_bind() {
        require(info, export::BIND, &ExternType::Func(Signature::i32(1)))?;
    }
    Ok(())
}

/// That the module exports `name` as `expected`.
fn require(info: &ModuleInfo, name: &str, expected: &ExternType) -> Result<(), ModuleError> {
    match info.exports.get(name) {
        Some(found) if found == expected => Ok(()),
        Some(found) => Err(ModuleError::ExportType {
            name: text::name(name),
            found: format!("a {found}"),
            expected: format!("a {expected}"),
        }),
        None => Err(ModuleError::ExportMissing {
            name: text::name(name),
            expected: format!("a {expected}"),
            advice: "build the module with the crate `wasmfusion-udf`, or export what docs/abi.md lists",
        }),
    }
}

#[cfg(test)]
mod tests;
