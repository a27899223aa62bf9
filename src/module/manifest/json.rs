//! From JSON to a [`Manifest`]: the shape by serde, then each rule for a single value.

use serde::Deserialize;
use serde_json::Value;
use wasmfusion_abi::export;

use super::kind::{self, RawColumn, RawKind};
use super::types::ParamType;
use super::{
    Example, FunctionDecl, FunctionKind, Manifest, ManifestError, Nulls, Param, Returns,
    Volatility, WindowMode, function_place,
};
use crate::capability::{Capability, CapabilityError};
use crate::limits::Limits;
use crate::module::{EventKind, text};

/// Longest name of a plugin, a function, a parameter; longest version. In bytes.
const NAME_BYTES_MAX: usize = 63;
/// Longest name of an export, in bytes.
const EXPORT_BYTES_MAX: usize = 1 << 10;
/// Longest description, example or result, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 10;
/// Most capabilities that a plugin asks for.
const CAPABILITIES_MAX: usize = 100;
/// Most parameters of a function, columns of a state, columns of a table.
pub(super) const PARAMS_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    version: String,
    description: Option<String>,
    functions: Vec<RawFunction>,
    #[serde(default)]
    capabilities: Vec<String>,
    config_schema: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFunction {
    name: String,
    export: Option<String>,
    #[serde(default)]
    pub(super) kind: RawKind,
    pub(super) params: Vec<RawParam>,
    #[serde(default)]
    pub(super) variadic: bool,
    pub(super) returns: Option<RawReturns>,
    pub(super) state: Option<Vec<RawColumn>>,
    pub(super) retract: Option<bool>,
    pub(super) ordered: Option<bool>,
    pub(super) window: Option<WindowMode>,
    pub(super) ignore_nulls: Option<bool>,
    pub(super) columns: Option<Vec<RawColumn>>,
    pub(super) event: Option<EventKind>,
    #[serde(default)]
    pub(super) bind: bool,
    #[serde(default)]
    volatility: Volatility,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    description: Option<String>,
    #[serde(default)]
    pub(super) examples: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParam {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    nulls: Option<Nulls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReturns {
    #[serde(rename = "type")]
    ty: String,
    nullable: Option<bool>,
}

/// Reads a manifest and checks each function on its own.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Manifest, ManifestError> {
    let max = limits.manifest_bytes_max;
    if bytes.len() > max {
        return Err(ManifestError::TooLarge {
            bytes: bytes.len(),
            max,
        });
    }
    let raw = parse(bytes)?;
    manifest(raw, limits)
}

fn parse(bytes: &[u8]) -> Result<RawManifest, ManifestError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let raw = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let problem = format!(
            "{}; see docs/abi.md, \"The manifest\"",
            text::escape_cut(&error.inner().to_string(), 500)
        );
        ManifestError::new(place(bytes, &error.path().to_string()), problem)
    })?;
    json.end().map_err(|error| {
        ManifestError::new(
            "manifest",
            format!("{error}; there must be one JSON object and nothing behind it"),
        )
    })?;
    Ok(raw)
}

/// Where in the JSON an error is, with the function's name where there is one.
fn place(bytes: &[u8], path: &str) -> String {
    if path == "." {
        return "manifest".to_owned();
    }
    let shown = format!("key `{}`", text::name(path));
    let index = path
        .strip_prefix("functions[")
        .and_then(|rest| rest.split_once(']'));
    let index: Option<usize> = index.and_then(|(index, _)| index.parse().ok());
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    match index.and_then(|i| {
        json.as_ref()?
            .get("functions")?
            .get(i)?
            .get("name")?
            .as_str()
    }) {
        Some(name) => format!("{}, {shown}", function_place(name)),
        None => shown,
    }
}

fn manifest(raw: RawManifest, limits: &Limits) -> Result<Manifest, ManifestError> {
    if !is_plugin_name(&raw.name) {
        let problem = format!(
            "`{}` is not a name for a plugin; use a lower-case letter, then up to {} lower-case letters, digits, `_` or `-`",
            text::name(&raw.name),
            NAME_BYTES_MAX - 1
        );
        return Err(ManifestError::new("key `name`", problem));
    }
    check_label("key `version`", &raw.version)?;
    check_text("key `description`", raw.description.as_deref())?;
    let found = raw.functions.len();
    let max = limits.manifest_functions_max;
    if found == 0 {
        return Err(ManifestError::new(
            "key `functions`",
            "it is empty; declare at least one function",
        ));
    }
    if found > max {
        let problem = format!(
            "{found} functions, more than the {max} that `manifest_functions_max` allows; split the plugin, or raise the limit"
        );
        return Err(ManifestError::new("key `functions`", problem));
    }
    let capabilities = capabilities(&raw.capabilities)?;
    if raw
        .config_schema
        .as_ref()
        .is_some_and(|schema| !schema.is_object())
    {
        return Err(ManifestError::new(
            "key `config_schema`",
            "it is not a JSON object; give a JSON Schema, or leave the key out",
        ));
    }
    let functions = raw
        .functions
        .into_iter()
        .map(|f| function(f, limits))
        .collect::<Result<_, _>>()?;
    Ok(Manifest {
        name: raw.name,
        version: raw.version,
        description: raw.description,
        functions,
        capabilities,
        config_schema: raw.config_schema,
    })
}

fn capabilities(texts: &[String]) -> Result<Vec<Capability>, ManifestError> {
    let place = "key `capabilities`";
    if texts.len() > CAPABILITIES_MAX {
        let problem = format!(
            "{} capabilities, at most {CAPABILITIES_MAX} are possible; use patterns",
            texts.len()
        );
        return Err(ManifestError::new(place, problem));
    }
    let mut capabilities = Vec::with_capacity(texts.len());
    for text in texts {
        let capability: Capability = text
            .parse()
            .map_err(|error: CapabilityError| ManifestError::new(place, error.to_string()))?;
        if capabilities.contains(&capability) {
            return Err(ManifestError::new(
                place,
                format!("`{capability}` is listed twice; remove one"),
            ));
        }
        capabilities.push(capability);
    }
    Ok(capabilities)
}

fn function(mut raw: RawFunction, limits: &Limits) -> Result<FunctionDecl, ManifestError> {
    let place = function_place(&raw.name);
    let error = |problem: String| Err(ManifestError::new(&*place, problem));
    check_sql_name(&place, "name", &raw.name)?;
    for alias in &raw.aliases {
        check_sql_name(&place, "alias", alias)?;
    }
    let kind = kind::read(&place, &mut raw, limits)?;
    let export = raw.export.unwrap_or_else(|| raw.name.clone());
    check_export_name(&place, &export)?;
    check_text(&place, raw.description.as_deref())?;
    for example in &raw.examples {
        check_text(&place, Some(&example.sql))?;
        check_text(&place, example.result.as_deref())?;
    }

    let count = raw.params.len();
    if count > PARAMS_MAX {
        return error(format!(
            "it has {count} parameters, more than the {PARAMS_MAX} allowed; take a list or a struct"
        ));
    }
    if raw.variadic && count == 0 {
        return error(
            "`variadic` is true, but there is no parameter to repeat; add one to `params`"
                .to_owned(),
        );
    }
    let params = params(&place, raw.params, &kind, raw.bind, limits)?;
    let returns = match kind {
        FunctionKind::Table { .. } | FunctionKind::Observer { .. } => None,
        _ => returns(&place, raw.returns, raw.bind, limits)?,
    };
    Ok(FunctionDecl {
        name: raw.name,
        export,
        kind,
        params,
        variadic: raw.variadic,
        returns,
        bind: raw.bind,
        volatility: raw.volatility,
        hidden: false,
        aliases: raw.aliases,
        description: raw.description,
        examples: raw.examples,
    })
}

fn params(
    place: &str,
    raw: Vec<RawParam>,
    kind: &FunctionKind,
    bind: bool,
    limits: &Limits,
) -> Result<Vec<Param>, ManifestError> {
    let is_window = matches!(kind, FunctionKind::Window { .. });
    let mut params: Vec<Param> = Vec::with_capacity(raw.len());
    for RawParam { name, ty, nulls } in raw {
        let place = format!("{place}, parameter `{}`", text::name(&name));
        check_label(&place, &name)?;
        if params.iter().any(|p| p.name == name) {
            return Err(ManifestError::new(
                place,
                "two parameters have this name; rename one",
            ));
        }
        let ty = ParamType::parse(&ty, limits.type_depth_max)
            .map_err(|problem| ManifestError::new(&*place, problem))?;
        if ty == ParamType::Any && !bind {
            let problem = "its type is `any`, but the function does not say `\"bind\": true`; add it, or declare the type";
            return Err(ManifestError::new(place, problem));
        }
        let nulls = match nulls {
            Some(Nulls::Skip) if is_window => {
                let problem = "its `nulls` is `skip`, but a window function sees all rows of a partition; say `pass`, or leave the key out";
                return Err(ManifestError::new(place, problem));
            }
            None if is_window => Nulls::Pass,
            nulls => nulls.unwrap_or_default(),
        };
        params.push(Param { name, ty, nulls });
    }
    Ok(params)
}

fn returns(
    place: &str,
    raw: Option<RawReturns>,
    bind: bool,
    limits: &Limits,
) -> Result<Option<Returns>, ManifestError> {
    let place = format!("{place}, key `returns`");
    let error = |problem: &str| Err(ManifestError::new(&*place, problem));
    let Some(RawReturns { ty, nullable }) = raw else {
        return match bind {
            true => Ok(None),
            false => error(
                "it is missing; declare the result's type, or decide it in `wasmfusion_bind` and say `\"bind\": true`",
            ),
        };
    };
    match ParamType::parse(&ty, limits.type_depth_max) {
        Err(problem) => error(&problem),
        Ok(ParamType::Any) if bind && nullable.is_none() => Ok(None),
        Ok(ParamType::Any) if bind => {
            error("`nullable` says nothing here, because `wasmfusion_bind` decides; remove it")
        }
        Ok(ParamType::Any) => error(
            "its type is `any`, but the function does not say `\"bind\": true`; add it, or declare the type",
        ),
        Ok(ParamType::Exact(_)) if bind => error(
            "with `\"bind\": true` the result's type comes from `wasmfusion_bind`; remove `returns`, or set its type to `any`",
        ),
        Ok(ParamType::Exact(ty)) => Ok(Some(Returns {
            ty,
            nullable: nullable.unwrap_or(true),
        })),
    }
}

fn is_plugin_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

pub(super) fn check_sql_name(place: &str, what: &str, name: &str) -> Result<(), ManifestError> {
    let spelled = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !spelled {
        let problem = format!(
            "its {what} `{}` is not a name for a function; use a letter or `_`, then up to {} letters, digits or `_` (all of ASCII)",
            text::name(name),
            NAME_BYTES_MAX - 1
        );
        return Err(ManifestError::new(place, problem));
    }
    if name.to_ascii_lowercase().starts_with(export::PREFIX) {
        let problem = format!(
            "its {what} `{name}` starts with `{}`, which the host keeps for itself; choose another",
            export::PREFIX
        );
        return Err(ManifestError::new(place, problem));
    }
    Ok(())
}

fn check_export_name(place: &str, name: &str) -> Result<(), ManifestError> {
    if name.is_empty() || name.len() > EXPORT_BYTES_MAX {
        let problem = format!(
            "its `export` has {} bytes, expected 1 to {EXPORT_BYTES_MAX}; name the wasm export that runs it",
            name.len()
        );
        return Err(ManifestError::new(place, problem));
    }
    if name == export::MEMORY || name.starts_with(export::PREFIX) {
        let problem = format!(
            "its export `{}` belongs to the interface; export the function under another name",
            text::name(name)
        );
        return Err(ManifestError::new(place, problem));
    }
    Ok(())
}

/// A short text on one line: a version, a parameter's name.
pub(super) fn check_label(place: &str, label: &str) -> Result<(), ManifestError> {
    if label.is_empty() || label.len() > NAME_BYTES_MAX || text::escape(label) != label {
        let problem = format!(
            "`{}` is not allowed there; use 1 to {NAME_BYTES_MAX} bytes without control characters",
            text::name(label)
        );
        return Err(ManifestError::new(place, problem));
    }
    Ok(())
}

fn check_text(place: &str, text: Option<&str>) -> Result<(), ManifestError> {
    match text.map_or(0, str::len) {
        found if found > TEXT_BYTES_MAX => {
            let problem = format!(
                "a text has {found} bytes, more than the {TEXT_BYTES_MAX} allowed; shorten it"
            );
            Err(ManifestError::new(place, problem))
        }
        _ => Ok(()),
    }
}
