//! The options of `#[udf(…)]` and its like.

use proc_macro2::TokenStream;
use syn::meta::{self, ParseNestedMeta};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, LitStr, Path, Result, Token, parenthesized};

/// The options that every kind of function has.
const COMMON: [&str; 5] = ["name", "aliases", "volatility", "description", "example"];

/// What stands in the parentheses of `#[udf(…)]`, or of an attribute for another kind of function.
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
    /// Whether an aggregate's result depends on the order of rows.
    pub ordered: bool,
    /// Whether a window function wants to know peers.
    pub ranked: bool,
    /// Whether a window function computes a value from a frame.
    pub framed: bool,
    /// The only column of a table function whose rows are single values.
    pub column: Option<LitStr>,
    /// The columns of a table function whose rows are tuples.
    pub columns: Vec<LitStr>,
    /// The kind of events that an observer is told of.
    pub event: Option<LitStr>,
}

impl Options {
    /// Parses the options, of which there are the common ones and `own`.
    pub fn parse(tokens: TokenStream, own: &[&str]) -> Result<Self> {
        let mut options = Options::default();
        meta::parser(|meta| options.parse_one(&meta, own)).parse2(tokens)?;
        Ok(options)
    }

    fn parse_one(&mut self, meta: &ParseNestedMeta<'_>, own: &[&str]) -> Result<()> {
        let key = meta.path.get_ident().map(ToString::to_string);
        let known = |key: &&str| COMMON.contains(key) || own.contains(key);
        match key.as_deref().filter(known) {
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
            Some("batch") => flag(&mut self.batch),
            Some("ordered") => flag(&mut self.ordered),
            Some("ranked") => flag(&mut self.ranked),
            Some("framed") => flag(&mut self.framed),
            Some("bind") => {
                let path = meta.value()?.parse()?;
                set(&mut self.bind, meta, path)
            }
            Some("column") => {
                let name = meta.value()?.parse()?;
                set(&mut self.column, meta, name)
            }
            Some("event") => {
                let name = meta.value()?.parse()?;
                set(&mut self.event, meta, name)
            }
            Some("columns") => {
                self.columns.extend(listed(meta)?);
                Ok(())
            }
            _ => {
                let all = [&COMMON, own].concat();
                Err(meta.error(format!("unknown option; there are {}", all.join(", "))))
            }
        }
    }
}

/// Sets an option that has no value.
fn flag(slot: &mut bool) -> Result<()> {
    *slot = true;
    Ok(())
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
        match Options::parse(tokens, &["batch", "bind"]) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn reads_every_option() {
        let tokens = quote! {
            name = "area", aliases("a", "b"), volatility = "stable", example("SELECT 1"),
            example("SELECT 2", "2"), description = "d", batch, bind = path::to, ordered, ranked, framed,
            column = "a", columns("a", "b")
        };
        let own = [
            "batch", "bind", "ordered", "ranked", "framed", "column", "columns",
        ];
        let Ok(options) = Options::parse(tokens, &own) else {
            panic!("refused");
        };
        assert_eq!(options.aliases.len(), 2);
        assert_eq!(options.examples.len(), 2);
        assert!(options.batch && options.bind.is_some() && options.name.is_some());
        assert!(options.ordered && options.ranked && options.framed);
        assert!(options.column.is_some() && options.columns.len() == 2);
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(error(quote! { nam = "x" }).contains("unknown option; there are name"));
        assert!(error(quote! { ordered }).ends_with("example, batch, bind"));
        assert!(error(quote! { name = "1x" }).contains("a SQL name is"));
        assert!(error(quote! { aliases("a b") }).contains("a SQL name is"));
        assert!(error(quote! { volatility = "never" }).contains("\"stable\""));
        assert!(error(quote! { example() }).contains("an example is"));
        assert!(error(quote! { name = "a", name = "b" }).contains("twice"));
    }
}
