//! The options of `#[udf(…)]`.

use proc_macro2::TokenStream;
use syn::meta::{self, ParseNestedMeta};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, LitStr, Path, Result, Token, parenthesized};

/// What stands in the parentheses of `#[udf(…)]`.
#[derive(Default)]
pub struct Options {
    /// The SQL name.
    pub name: Option<LitStr>,
    /// Further SQL names.
    pub aliases: Vec<LitStr>,
    /// `immutable`, `stable` or `volatile`.
    pub volatility: Option<LitStr>,
    /// Instead of the doc comment.
    pub description: Option<LitStr>,
    /// SQL and result.
    pub examples: Vec<(LitStr, Option<LitStr>)>,
    /// Whether the function takes whole columns.
    pub batch: bool,
    /// The function that binds.
    pub bind: Option<Path>,
}

impl Options {
    /// Parses the options.
    pub fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = Options::default();
        meta::parser(|meta| options.parse_one(&meta)).parse2(tokens)?;
        Ok(options)
    }

    fn parse_one(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string);
        match key.as_deref() {
            Some("name") => set(&mut self.name, meta, sql_name(meta.value()?)?),
            Some("aliases") => {
                let names = listed(meta)?;
                names.iter().try_for_each(check_sql_name)?;
                self.aliases.extend(names);
                Ok(())
            }
            Some("volatility") => {
                let value: LitStr = meta.value()?.parse()?;
                if !matches!(value.value().as_str(), "immutable" | "stable" | "volatile") {
                    return Err(Error::new(
                        value.span(),
                        "the volatility is \"immutable\", \"stable\" or \"volatile\"",
                    ));
                }
                set(&mut self.volatility, meta, value)
            }
            Some("description") => {
                let text = meta.value()?.parse()?;
                set(&mut self.description, meta, text)
            }
            Some("example") => {
                let mut texts = listed(meta)?.into_iter();
                let (Some(sql), result, None) = (texts.next(), texts.next(), texts.next()) else {
                    return Err(meta.error("an example is `example(\"SELECT …\", \"result\")`; the result may be left out"));
                };
                self.examples.push((sql, result));
                Ok(())
            }
            Some("batch") => {
                self.batch = true;
                Ok(())
            }
            Some("bind") => {
                let path = meta.value()?.parse()?;
                set(&mut self.bind, meta, path)
            }
            _ => Err(meta.error(
                "unknown option; there are name, aliases, volatility, description, example, batch and bind",
            )),
        }
    }
}

/// Sets an option that may stand once.
fn set<T>(slot: &mut Option<T>, meta: &ParseNestedMeta<'_>, value: T) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(meta.error("the option is given twice"));
    }
    Ok(())
}

/// The strings in an option's parentheses.
fn listed(meta: &ParseNestedMeta<'_>) -> Result<Vec<LitStr>> {
    let content;
    parenthesized!(content in meta.input);
    let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
    Ok(list.into_iter().collect())
}

fn sql_name(input: ParseStream<'_>) -> Result<LitStr> {
    let name = input.parse()?;
    check_sql_name(&name)?;
    Ok(name)
}

/// A SQL name is a letter or `_`, then letters, digits and `_`, 63 in all.
fn check_sql_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let letters = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || text.is_empty() || text.len() > 63 || text.as_bytes()[0].is_ascii_digit() {
        return Err(Error::new(
            name.span(),
            "a SQL name is a letter or `_`, then up to 62 letters, digits and `_`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn error(tokens: TokenStream) -> String {
        match Options::parse(tokens) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn reads_every_option() {
        let options = Options::parse(quote! {
            name = "area", aliases("a", "b"), volatility = "stable", example("SELECT 1"),
            example("SELECT 2", "2"), description = "d", batch, bind = path::to
        });
        let Ok(options) = options else {
            panic!("refused");
        };
        assert_eq!(options.aliases.len(), 2);
        assert_eq!(options.examples.len(), 2);
        assert!(options.batch && options.bind.is_some() && options.name.is_some());
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(error(quote! { nam = "x" }).contains("unknown option; there are name"));
        assert!(error(quote! { name = "1x" }).contains("a SQL name is"));
        assert!(error(quote! { aliases("a b") }).contains("a SQL name is"));
        assert!(error(quote! { volatility = "never" }).contains("\"stable\""));
        assert!(error(quote! { example() }).contains("an example is"));
        assert!(error(quote! { name = "a", name = "b" }).contains("twice"));
    }
}
