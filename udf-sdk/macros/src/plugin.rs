//! `plugin!`: the exports that every plugin has.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Ident, Lit, Result, Token};

use crate::capability;

/// `name: value`.
struct Pair {
    name: Ident,
    value: Expr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        let value = input.parse()?;
        Ok(Pair { name, value })
    }
}

/// Checks the value of `config_schema`, if it is written out: it stands in the manifest as it is.
fn check_schema(value: &Expr) -> Result<()> {
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text),
        ..
    }) = value
    else {
        return Ok(());
    };
    match serde_json::from_str(&text.value()) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(Error::new(
            text.span(),
            "the schema is not a JSON object, as r#\"{\"type\": \"object\"}\"#",
        )),
        Err(error) => Err(Error::new(
            text.span(),
            format!("the schema is not JSON: {error}"),
        )),
    }
}

/// Expands `plugin! { fields }`.
pub fn expand(fields: TokenStream) -> Result<TokenStream> {
    let pairs = Punctuated::<Pair, Token![,]>::parse_terminated.parse2(fields)?;
    let mut name = quote!(env!("CARGO_PKG_NAME"));
    let mut version = quote!(env!("CARGO_PKG_VERSION"));
    let mut description = quote!(env!("CARGO_PKG_DESCRIPTION"));
    let mut capabilities = quote!([]);
    let mut config_schema = quote!("");
    let mut seen: Vec<Ident> = Vec::new();
    for Pair { name: key, value } in pairs {
        if seen.contains(&key) {
            return Err(Error::new(key.span(), "the field is given twice"));
        }
        let field = match key.to_string().as_str() {
            "name" => &mut name,
            "version" => &mut version,
            "description" => &mut description,
            "capabilities" => &mut capabilities,
            "config_schema" => &mut config_schema,
            _ => {
                return Err(Error::new(
                    key.span(),
                    "unknown field; there are name, version, description, capabilities and config_schema",
                ));
            }
        };
        *field = quote!(#value);
        if key == "capabilities" {
            capability::check(&value)?;
        } else if key == "config_schema" {
            check_schema(&value)?;
        }
        seen.push(key);
    }
    Ok(quote! {
        /// What `#[udf]` looks for, so that a plugin without `plugin!` does not compile.
        #[doc(hidden)]
        pub(crate) const PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT: ::wasmfusion_udf::manifest::Plugin = ::wasmfusion_udf::manifest::Plugin {
            name: #name,
            version: #version,
            description: #description,
            capabilities: &#capabilities,
            config_schema: #config_schema,
        };

        const _: () = assert!(
            PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT.name_is_valid(),
            "a plugin's name is a lower-case letter, then up to 62 lower-case letters, digits, `_` and `-`"
        );

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use ::wasmfusion_udf::{guest, manifest::Json, raw};

            #[unsafe(export_name = "wasmfusion_abi_version")]
            extern "C" fn abi_version() -> i32 {
                guest::ABI_VERSION
            }

            #[unsafe(export_name = "wasmfusion_describe")]
            extern "C" fn describe() -> *const raw::Slice {
                const HEAD: &Json<{ Json::<0>::head(&PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT).length() }> = &Json::head(&PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT);
                const TAIL: &Json<{ Json::<0>::tail(&PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT).length() }> = &Json::tail(&PUT_WASMFUSION_UDF_PLUGIN_INTO_THE_CRATE_ROOT);
                guest::describe(const { HEAD.text() }, const { TAIL.text() })
            }

            #[unsafe(export_name = "wasmfusion_alloc")]
            extern "C" fn alloc(size: usize, align: usize) -> *mut u8 {
                guest::alloc_region(size, align)
            }

            #[unsafe(export_name = "wasmfusion_bind")]
            unsafe extern "C" fn bind(frame: *mut raw::BindFrame) -> i32 {
                // SAFETY: the host keeps what `docs/abi.md` promises about the frame.
                unsafe { guest::bind(frame) }
            }
        };
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(tokens: TokenStream) -> String {
        match expand(tokens) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(error(quote!(nam: "x")).contains("unknown field; there are name"));
        assert!(error(quote!(name: "x", name: "y")).contains("twice"));
        assert!(error(quote!(capabilities: ["logs"])).contains("is not a capability"));
        assert!(error(quote!(config_schema: "{")).contains("is not JSON"));
        assert!(error(quote!(config_schema: "[]")).contains("not a JSON object"));
        let right = quote!(name: "x", version: "1", capabilities: ["log"], config_schema: "{}");
        assert_eq!(error(right), "no error");
    }
}
