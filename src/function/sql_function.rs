//! A function of a plugin as SQL knows it, whatever its kind.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{DocSection, Documentation, Signature, Volatility};

use super::signature;
use crate::error::Error;
use crate::module::{self, FunctionDecl, FunctionKind, ParamType, signature_text};
use crate::plugin::{FunctionRef, Plugin};

/// The functions of one name in a plugin, as one SQL function.
///
/// Two are equal if they are the same functions of the same module, whatever they were loaded from.
#[derive(Clone, Debug)]
pub struct SqlFunction {
    name: String,
    aliases: Vec<String>,
    overloads: Arc<[FunctionRef]>,
    signature: Signature,
    documentation: Documentation,
    is_stated: bool,
}

impl SqlFunction {
    /// The SQL functions of a plugin, one for each name.
    pub fn all(plugin: &Arc<Plugin>) -> Vec<Self> {
        let mut names: Vec<&str> = Vec::new();
        for function in plugin.manifest().functions.iter().filter(|f| f.in_sql()) {
            if !names.contains(&function.name.as_str()) {
                names.push(&function.name);
            }
        }
        names
            .into_iter()
            .filter_map(|name| Self::named(plugin, name))
            .collect()
    }

    /// The SQL function `name` of a plugin, where `name` may be that of an export.
    pub fn named(plugin: &Arc<Plugin>, name: &str) -> Option<Self> {
        let places = |matches: &dyn Fn(&FunctionDecl) -> bool| -> Vec<FunctionRef> {
            let functions = plugin.manifest().functions.iter().enumerate();
            functions
                .filter(|(_, function)| function.in_sql() && matches(function))
                .map(|(place, _)| FunctionRef {
                    plugin: Arc::clone(plugin),
                    place,
                })
                .collect()
        };
        let mut overloads = places(&|function| function.name.eq_ignore_ascii_case(name));
        if overloads.is_empty() {
            overloads = places(&|function| function.export == name);
        }
        // Overloads are of one kind. An export that functions of several kinds share is the first one's.
        let kind = overloads.first()?.decl().kind.name();
        overloads.retain(|overload| overload.decl().kind.name() == kind);
        let first = overloads.first()?.decl();
        let volatility = overloads
            .iter()
            .map(|o| volatility(o.decl()))
            .max_by_key(|v| rank(*v))
            .unwrap_or(Volatility::Volatile);
        let mut aliases: Vec<String> = overloads
            .iter()
            .flat_map(|o| o.decl().aliases.clone())
            .map(|a| a.to_ascii_lowercase())
            .collect();
        aliases.sort();
        aliases.dedup();
        let mut signature = Signature::new(signature::type_signature(&overloads), volatility);
        signature.parameter_names = signature::parameter_names(&overloads);
        Some(Self {
            name: first.name.to_ascii_lowercase(),
            aliases,
            documentation: documentation(&first.name.to_ascii_lowercase(), &overloads),
            signature,
            overloads: overloads.into(),
            is_stated: false,
        })
    }

    /// The same function under another name, and without the aliases.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self.aliases.clear();
        self.documentation = documentation(name, &self.overloads);
        self
    }

    /// The same function, made by a statement: it is its session's own, and other versions of its plugin do not take its place.
    #[must_use]
    pub(crate) fn stated(mut self) -> Self {
        self.is_stated = true;
        self
    }

    /// Whether a statement has made it.
    pub(crate) fn is_stated(&self) -> bool {
        self.is_stated
    }

    /// The same function with another volatility.
    #[must_use]
    pub fn with_volatility(mut self, volatility: Volatility) -> Self {
        self.signature.volatility = volatility;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its further names.
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// Its kind. What overloads say differently apart from that is for [`Self::declarations`].
    pub fn kind(&self) -> &FunctionKind {
        &self.overloads[0].decl().kind
    }

    /// What it takes, as DataFusion puts it.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// What `information_schema.routines` and `SHOW FUNCTIONS` show.
    pub fn documentation(&self) -> &Documentation {
        &self.documentation
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The plugin that the function is in.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.overloads[0].plugin
    }

    /// What the manifest says of each overload.
    pub fn declarations(&self) -> impl Iterator<Item = &FunctionDecl> {
        self.overloads.iter().map(FunctionRef::decl)
    }

    /// For plans: `slugify@text`.
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.name, self.plugin().name())
    }

    /// What a caller is told whose arguments fit no overload.
    pub(super) fn mismatch(&self, arg_types: &[DataType]) -> Error {
        let types: Vec<String> = arg_types.iter().map(ToString::to_string).collect();
        let found = if types.is_empty() {
            "no arguments".to_owned()
        } else {
            format!("({})", types.join(", "))
        };
        let mut expected: Vec<String> = self
            .declarations()
            .map(|decl| signature_as(&self.name, decl))
            .collect();
        expected.dedup();
        let wanted = self
            .declarations()
            .find(|decl| signature::takes(decl, arg_types.len()))
            .map(|decl| misfit(decl, arg_types));
        let advice = match wanted {
            Some(Some(ty)) => format!("cast the arguments, for instance with {}", cast(ty)),
            Some(None) => "cast the arguments".to_owned(),
            None => "check the number of arguments".to_owned(),
        };
        Error::Usage(format!(
            "function {} (plugin {}) was called with {found}, but takes {}; {advice}",
            self.name,
            self.plugin().name(),
            expected.join(" or "),
        ))
    }

    /// The overloads that return this type.
    pub(super) fn returning(&self, data_type: &DataType) -> impl Iterator<Item = &FunctionRef> {
        self.overloads.iter().filter(move |overload| {
            let returns = overload.decl().returns.as_ref();
            returns.is_some_and(|returns| returns.ty == *data_type)
        })
    }

    /// The overload for these types, which cost something to know.
    #[inline]
    pub(super) fn overload(
        &self,
        arg_types: impl Fn() -> Vec<DataType>,
    ) -> Result<&FunctionRef, Error> {
        if let [only] = self.overloads.as_ref() {
            return Ok(only);
        }
        self.resolve(&arg_types())
    }

    /// The overload that fits these types best.
    pub(super) fn resolve(&self, arg_types: &[DataType]) -> Result<&FunctionRef, Error> {
        let (place, _) = signature::resolve(&self.overloads, arg_types)
            .ok_or_else(|| self.mismatch(arg_types))?;
        Ok(&self.overloads[place])
    }

    /// The types that the planner must cast the arguments to. What fits nothing stays as it is and is refused later, by [`Self::resolve`],
    /// whose error reaches the user as it is.
    pub(super) fn coerced(&self, arg_types: &[DataType]) -> Vec<DataType> {
        signature::resolve(&self.overloads, arg_types)
            .map_or_else(|| arg_types.to_vec(), |(_, types)| types)
    }
}

impl PartialEq for SqlFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.signature == other.signature
            && self.plugin().is_same(other.plugin())
            && self
                .overloads
                .iter()
                .map(|o| o.place)
                .eq(other.overloads.iter().map(|o| o.place))
    }
}

impl Eq for SqlFunction {}

impl Hash for SqlFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.plugin().digest().hash(state);
        for overload in self.overloads.iter() {
            overload.place.hash(state);
        }
    }
}

fn volatility(decl: &FunctionDecl) -> Volatility {
    match decl.volatility {
        module::Volatility::Immutable => Volatility::Immutable,
        module::Volatility::Stable => Volatility::Stable,
        module::Volatility::Volatile => Volatility::Volatile,
    }
}

/// From what is promised most to what is promised least.
pub(crate) fn rank(volatility: Volatility) -> u8 {
    match volatility {
        Volatility::Immutable => 0,
        Volatility::Stable => 1,
        Volatility::Volatile => 2,
    }
}

/// The signature of a function that SQL knows under another name than its plugin.
fn signature_as(name: &str, decl: &FunctionDecl) -> String {
    let text = signature_text(decl);
    match text.strip_prefix(decl.name.as_str()) {
        Some(rest) => format!("{name}{rest}"),
        None => text,
    }
}

/// What `information_schema.routines` and `SHOW FUNCTIONS` show.
fn documentation(name: &str, overloads: &[FunctionRef]) -> Documentation {
    const SECTION: DocSection = DocSection {
        include: true,
        label: "WebAssembly Functions",
        description: Some("Functions of plugins"),
    };
    let decls: Vec<&FunctionDecl> = overloads.iter().map(FunctionRef::decl).collect();
    let mut descriptions: Vec<&str> = decls
        .iter()
        .filter_map(|decl| decl.description.as_deref())
        .collect();
    descriptions.dedup();
    let syntax: Vec<String> = decls.iter().map(|decl| signature_as(name, decl)).collect();
    let mut builder = Documentation::builder(SECTION, descriptions.join(" "), syntax.join(" or "));
    if let Some(example) = decls.iter().flat_map(|decl| &decl.examples).next() {
        builder = builder.with_sql_example(example.sql.clone());
    }
    if let [only] = decls.as_slice() {
        for param in &only.params {
            builder = builder.with_argument(param.name.clone(), param.ty.to_string());
        }
    }
    builder.build()
}

/// The type of the first parameter that does not fit its argument.
fn misfit<'a>(decl: &'a FunctionDecl, arg_types: &[DataType]) -> Option<&'a DataType> {
    arg_types.iter().enumerate().find_map(|(place, found)| {
        match signature::param(decl, place).map(|param| &param.ty) {
            Some(ParamType::Exact(wanted)) if !signature::accepts(found, wanted) => Some(wanted),
            _ => None,
        }
    })
}

/// How SQL makes a value of a type.
fn cast(ty: &DataType) -> String {
    let name = match ty {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA",
        DataType::Date32 => "DATE",
        DataType::Decimal128(precision, scale) => {
            return format!("CAST(x AS DECIMAL({precision}, {scale}))");
        }
        other => return format!("arrow_cast(x, '{}')", other.to_string().replace('\'', "''")),
    };
    format!("CAST(x AS {name})")
}
