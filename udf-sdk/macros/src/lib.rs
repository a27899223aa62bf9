//! The macros of `wasmfusion-udf`. That crate re-exports and documents them.

mod docs;
mod function;
mod kernel;
mod lifetimes;
mod options;
mod plugin;
mod signature;
mod sql_struct;

use proc_macro::TokenStream;

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

/// Makes a crate a plugin. Stands once in its root, before or after the functions.
///
/// ```ignore
/// wasmfusion_udf::plugin! {}
/// wasmfusion_udf::plugin! {
///     name: "geo",                          // without it, the package's name
///     version: "1.0.0",                     // the package's version
///     description: "Distances.",            // the package's description
///     capabilities: ["clock"],              // none
///     config_schema: r#"{"type":"object"}"#, // none
/// }
/// ```
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
    function::call(path.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
