//! The SQL functions of operators: `wasmfusion_suspend`, `_resume`, `_unload`, `_reload` and `_roll_back`.
//!
//! Sessions have them only if [`RegistryOptions::sql_admin`](crate::RegistryOptions::sql_admin) says so: they act on the plugins of all
//! sessions. They are volatile, so that neither `EXPLAIN` nor the planner runs them, and they run once for each row. No lock of a session is held while
//! a query runs, so that they may change all sessions.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::execution::{FunctionRegistry as _, SessionState};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TypeSignature, Volatility,
};

use crate::error::Error;
use crate::lifecycle::{Place, SuspendedBy};
use crate::plugin::Plugin;
use crate::registry::Registry;

/// What an operator does to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Act {
    Suspend,
    Resume,
    Unload,
    Reload,
    RollBack,
}

const ACTS: [Act; 5] = [
    Act::Suspend,
    Act::Resume,
    Act::Unload,
    Act::Reload,
    Act::RollBack,
];

/// The function for it.
#[derive(Debug)]
struct AdminFunction {
    act: Act,
    registry: Registry,
    signature: Signature,
    documentation: Documentation,
}

/// Gives a session the functions.
pub(super) fn register(state: &mut SessionState, registry: &Registry) -> Result<()> {
    for act in ACTS {
        let function = AdminFunction::new(act, registry);
        let function = match act {
            // It reads and compiles a module, for which no thread of queries waits.
            Act::Reload => AsyncScalarUDF::new(Arc::new(function)).into_scalar_udf(),
            _ => ScalarUDF::from(function),
        };
        state.register_udf(Arc::new(function))?;
    }
    Ok(())
}

/// Whether one of them has this name.
pub(super) fn has(name: &str) -> bool {
    ACTS.iter().any(|act| act.name() == name)
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Suspend => "wasmfusion_suspend",
            Self::Resume => "wasmfusion_resume",
            Self::Unload => "wasmfusion_unload",
            Self::Reload => "wasmfusion_reload",
            Self::RollBack => "wasmfusion_roll_back",
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::Suspend => {
                "Refuses new streams and calls of a plugin in all sessions, until it is resumed."
            }
            Self::Resume => "Takes new streams and calls of a plugin again.",
            Self::Unload => "Takes the functions of a plugin out of all sessions.",
            Self::Reload => "Loads a plugin again from where it came.",
            Self::RollBack => "Returns to the version of a plugin before the present one.",
        }
    }
}

impl AdminFunction {
    fn new(act: Act, registry: &Registry) -> Self {
        let types = match act {
            Act::Suspend => vec![TypeSignature::String(1), TypeSignature::String(2)],
            _ => vec![TypeSignature::String(1)],
        };
        let (arguments, syntax) = match act {
            Act::Suspend => ("plugin [, reason]", "plugin, reason"),
            _ => ("plugin", "plugin"),
        };
        let name = act.name();
        let documentation = Documentation::builder(
            DocSection::default(),
            act.description(),
            format!("{name}({arguments})"),
        )
        .with_argument("plugin", "Name of the plugin, as in `wasmfusion.plugins`.");
        let documentation = match syntax {
            "plugin" => documentation,
            _ => documentation.with_argument("reason", "Why, for whoever calls its functions."),
        };
        Self {
            act,
            registry: registry.clone(),
            signature: Signature::one_of(types, Volatility::Volatile),
            documentation: documentation.build(),
        }
    }

    /// Does it to one plugin, and says what is now.
    fn act(&self, name: &str, reason: Option<&str>) -> Result<String, Error> {
        let Self { act, registry, .. } = self;
        match act {
            Act::Suspend => {
                registry.suspend_by(SuspendedBy::Sql, name, reason)?;
                Ok(self.standing_of(name))
            }
            Act::Resume => {
                registry.resume(name)?;
                Ok(self.standing_of(name))
            }
            Act::Unload => {
                let plugin = registry.unload(name);
                let plugin = plugin.ok_or_else(|| registry.unknown(name))?;
                Ok(says(&plugin, "unloaded"))
            }
            Act::RollBack => registry.roll_back(name).map(|plugin| standing(&plugin)),
            Act::Reload => Err(Error::Usage(
                "wasmfusion_reload can be called in SELECT and WHERE only".into(),
            )),
        }
    }

    fn standing_of(&self, name: &str) -> String {
        let plugin = self.registry.plugin(name);
        let plugin = plugin.or_else(|| {
            let mut all = self.registry.plugins_in_use().into_iter();
            all.find(|plugin| plugin.name() == name)
        });
        plugin.map_or_else(|| name.to_owned(), |plugin| standing(&plugin))
    }
}

/// Whether a plugin can be called, in words.
fn standing(plugin: &Plugin) -> String {
    match (plugin.suspension(), plugin.standing().place().0) {
        (Some(_), _) => says(plugin, "suspended"),
        (None, Place::Unloaded) => says(plugin, "unloaded"),
        (None, _) => says(plugin, "ready"),
    }
}

fn says(plugin: &Plugin, state: &str) -> String {
    format!("{} {} is {state}", plugin.name(), plugin.manifest().version)
}

/// The arguments as columns of text.
fn columns(args: &ScalarFunctionArgs) -> Result<Vec<StringArray>> {
    let column = |arg: &ColumnarValue| {
        let column = arg.cast_to(&DataType::Utf8, None)?;
        let column = column.into_array(args.number_rows)?;
        match column.as_any().downcast_ref::<StringArray>() {
            Some(column) => Ok(column.clone()),
            None => exec_err!("the argument is no text"),
        }
    };
    args.args.iter().map(column).collect()
}

/// One row of them: the plugin and the reason. `None` if the plugin is NULL.
fn row(columns: &[StringArray], row: usize) -> Option<(&str, Option<&str>)> {
    let value = |column: &'_ StringArray| column.is_valid(row);
    let plugin = columns.first().filter(|column| value(column))?;
    let reason = columns.get(1).filter(|column| value(column));
    Some((plugin.value(row), reason.map(|reason| reason.value(row))))
}

impl PartialEq for AdminFunction {
    fn eq(&self, other: &Self) -> bool {
        self.act == other.act && self.registry.is(&other.registry)
    }
}

impl Eq for AdminFunction {}

impl Hash for AdminFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.act.hash(state);
    }
}

impl ScalarUDFImpl for AdminFunction {
    fn name(&self) -> &str {
        self.act.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = columns(&args)?;
        let mut said: Vec<Option<String>> = Vec::with_capacity(args.number_rows);
        for place in 0..args.number_rows {
            said.push(match row(&columns, place) {
                Some((plugin, reason)) => Some(self.act(plugin, reason)?),
                None => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(said))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for AdminFunction {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = columns(&args)?;
        let mut said: Vec<Option<String>> = Vec::with_capacity(args.number_rows);
        for place in 0..args.number_rows {
            said.push(match row(&columns, place) {
                Some((plugin, _)) => {
                    let plugin = self.registry.reload(plugin).await?;
                    Some(standing(&plugin))
                }
                None => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(said))))
    }
}
