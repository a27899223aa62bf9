//! The macros of `wasmfusion-udf`. That crate re-exports and documents them.

mod aggregate;
mod capability;
mod docs;
mod entry;
mod function;
mod kernel;
mod lifetimes;
mod methods;
mod observer;
mod options;
mod plugin;
mod signature;
mod sql_struct;
mod state;
mod table;
mod window;

use proc_macro::TokenStream;
use quote::quote;

/// Makes a Rust function a SQL function.
///
/// The function stays what it is; beside it comes what the host needs to call it on columns. See the documentation of the
/// crate `wasmfusion-udf` for the types that parameters and results can have.
///
/// ```ignore
/// /// Distance in kilometres.
/// #[udf(aliases("gcd_km"), example("SELECT great_circle_km(52.5, 13.4, 48.9, 2.4)", "877.46"))]
/// fn great_circle_km(lat1: f64, lon1: f64, lat2: f64, lon2: f64) -> f64 { /* … */ }
/// ```
///
/// Options, in any order:
///
/// | option | meaning |
/// |---|---|
/// | `name = "area"` | the SQL name; without it, the function's own. Functions of one name are overloads |
/// | `aliases("a", "b")` | further SQL names |
/// | `volatility = "stable"` | `"immutable"` (without the option), `"stable"` or `"volatile"` |
/// | `description = "…"` | without it, the doc comment |
/// | `example("SELECT …", "result")` | may be repeated; the result may be left out |
/// | `batch` | the function takes whole columns: `Column<'_, T>`, …, and last `&mut Output<'_, T>` |
/// | `bind = prepare` | `prepare(&Binding<'_>) -> Result<State, E>` is called once for each place in a query; the function gets the state as its first parameter, `&State` |
#[proc_macro_attribute]
pub fn udf(options: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes the state of a group of rows an aggregate function. Stands on an `impl` of the type of the state, which has
/// `#[derive(Default, State)]` or implements `State`.
///
/// ```ignore
/// /// The geometric mean of positive numbers.
/// #[derive(Default, State)]
/// pub struct GeometricMean { logs: f64, count: i64 }
///
/// #[udaf(example("SELECT geometric_mean(v) FROM (VALUES (1.0), (4.0)) AS t(v)", "2.0"))]
/// impl GeometricMean {
///     fn update(&mut self, value: f64) { /* … */ }
///     fn merge(&mut self, other: Self) { /* … */ }
///     fn evaluate(&self) -> Option<f64> { /* … */ }
/// }
/// ```
///
/// | method | meaning |
/// |---|---|
/// | `update(&mut self, …)` | takes a row in. Its parameters are those of the SQL function |
/// | `merge(&mut self, other: Self)` | takes in what another state has taken in, of rows that came later |
/// | `evaluate(&self) -> T` | the result; it may be asked for while rows are still to come |
/// | `retract(&mut self, …)`, if there is one | takes a row out again, so that frames of a window can slide |
/// | `heap_bytes(&self) -> usize`, if there is one | bytes that the state holds on the heap, which the host counts. Asked for before and after each row |
///
/// All but the last may return a `Result`. Other methods are left alone.
///
/// Options: `name` (without it, the type's name in small letters, as `geometric_mean`), `aliases`, `volatility`, `description` (without it, the
/// doc comment of the `impl`, or else of the struct), `example`, as of [`macro@udf`]; and `ordered`, if the result depends on the order of rows.
#[proc_macro_attribute]
pub fn udaf(options: TokenStream, item: TokenStream) -> TokenStream {
    aggregate::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a Rust function, or the `impl` of a state, a window function.
///
/// ```ignore
/// /// The values so far, each half as much as the one after it.
/// #[udwf]
/// impl Ema {
///     fn next(&mut self, value: f64, alpha: f64) -> f64 { /* … */ }
/// }
/// ```
///
/// | on | option | parameters | returns |
/// |---|---|---|---|
/// | a function | | `Column<'_, T>`, … of the whole partition | `Vec<T>`, or nothing with a last parameter `&mut Output<'_, T>` |
/// | a function | `ranked` | the same, and `Peers<'_>` | the same |
/// | a function | `framed` | the same, and `Range<usize>`, the rows of the frame | `T`, the value of one row |
/// | an `impl` of a type with `Default` | | `next(&mut self, …)`, the values of the next row | `T`, the value of this row |
///
/// Everything may be a `Result`. A parameter of type `NullTreatment` tells whether SQL said `IGNORE NULLS`, which is refused without it.
/// Other options are those of [`macro@udf`], but `batch`.
#[proc_macro_attribute]
pub fn udwf(options: TokenStream, item: TokenStream) -> TokenStream {
    window::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a Rust function that returns an iterator a table function.
///
/// ```ignore
/// /// The numbers from `start` to `stop`.
/// #[udtf(column = "value")]
/// fn numbers(start: i64, stop: i64) -> impl Iterator<Item = i64> + 'static { start..=stop }
/// ```
///
/// The items are rows: a struct with `#[derive(SqlStruct)]`, whose fields are the columns; a tuple, with `columns("a", "b")`; a single
/// value, with `column = "a"`; or a `Result` of one of these. The function may return a `Result` of the iterator as well. A parameter of type
/// `Limit` tells how many rows will be read at most. Other options are those of [`macro@udf`], but `batch` and `bind`.
#[proc_macro_attribute]
pub fn udtf(options: TokenStream, item: TokenStream) -> TokenStream {
    table::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a Rust function an observer: one that is told of the engine's events, and that SQL cannot call.
///
/// ```ignore
/// /// Queries that took more than a second.
/// #[observer(event = "query_end")]
/// fn slow(sql: Option<&str>, duration_ns: i64, error: Option<&str>) { /* … */ }
/// ```
///
/// The parameters are columns of the event, by their names; those that may be NULL are `Option`s, or the events in which they are NULL are
/// left out. It is called once for each event, in an instance that lives on from event to event. It returns nothing or `Result<(), E>`.
///
/// Options: `event = "…"`, one of `query_start`, `query_end`, `operator`, `call`, `audit`, `metric`, `span`; `name` and `description` as of
/// [`macro@udf`].
#[proc_macro_attribute]
pub fn observer(options: TokenStream, item: TokenStream) -> TokenStream {
    observer::expand(options.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a struct the state of an aggregate function: each field is saved as a column.
///
/// Every field has a type that can be a parameter and a result itself, and owns what it holds. A state with other fields, as maps,
/// implements the trait `State` instead.
#[proc_macro_derive(State)]
pub fn state(item: TokenStream) -> TokenStream {
    state::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a crate a plugin. Stands once in its root, before or after the functions.
///
/// ```ignore
/// wasmfusion_udf::plugin! {}
/// wasmfusion_udf::plugin! {
///     name: "geo",                          // without it, the package's name
///     version: "1.0.0",                     // the package's version
///     description: "Distances.",            // the package's description
///     capabilities: ["clock", "table:read:rates_*"], // none
///     config_schema: r#"{"type":"object"}"#, // none
/// }
/// ```
///
/// Capabilities are what the functions may ask the host for, if the operator grants it:
///
/// | capability | behind the colon |
/// |---|---|
/// | `log`, `metric:emit`, `clock`, `random`, `config` | nothing |
/// | `secret:NAME`, `env:NAME`, `table:read:NAME`, `table:write:NAME`, `vector:search:NAME` | a name, in which `*` and `?` stand for any characters |
/// | `fs:read:PATH`, `fs:write:PATH` | an absolute path, in which `**` stands for any number of folders |
/// | `net:http:HOST:PORT`, `net:connect:HOST:PORT` | a host, an address or a range of addresses, and a port or `*` |
/// | `exec:COMMAND` | a name or an absolute path |
/// | `observe:query`, `observe:operator`, `observe:call`, `observe:audit`, `observe:metric`, `observe:span` | nothing |
#[proc_macro]
pub fn plugin(fields: TokenStream) -> TokenStream {
    plugin::expand(fields.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a struct with named fields a SQL struct, for parameters and results.
///
/// Every field has a type that can be a parameter and a result itself. A field that may be NULL is an `Option`. The struct
/// may have one lifetime, for fields that borrow from the column.
///
/// ```ignore
/// #[derive(SqlStruct)]
/// struct Place<'a> { name: &'a str, lat: f64, lon: f64 }
/// ```
#[proc_macro_derive(SqlStruct)]
pub fn sql_struct(item: TokenStream) -> TokenStream {
    sql_struct::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// A call of a SQL function in a test: `call!(great_circle_km)`. Re-exported with `testing::Call`, whose documentation
/// has an example.
#[proc_macro]
pub fn call(path: TokenStream) -> TokenStream {
    test(path, quote!(Call))
}

/// A use of an aggregate function in a test: `aggregate!(GeometricMean)`. Re-exported with `testing::Aggregate`, whose
/// documentation has an example.
#[proc_macro]
pub fn aggregate(path: TokenStream) -> TokenStream {
    test(path, quote!(Aggregate))
}

/// A use of a window function in a test: `window!(ema)`. Re-exported with `testing::Window`, whose documentation has an
/// example.
#[proc_macro]
pub fn window(path: TokenStream) -> TokenStream {
    test(path, quote!(Window))
}

/// Events for an observer in a test: `observe!(slow_query)`. Re-exported with `testing::Observe`, whose documentation has an
/// example.
#[proc_macro]
pub fn observe(path: TokenStream) -> TokenStream {
    test(path, quote!(Observe))
}

/// A use of a table function in a test: `table!(numbers)`. Re-exported with `testing::Table`, whose documentation has an
/// example.
#[proc_macro]
pub fn table(path: TokenStream) -> TokenStream {
    test(path, quote!(Table))
}

fn test(path: TokenStream, test: proc_macro2::TokenStream) -> TokenStream {
    function::call(path.into(), test)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
