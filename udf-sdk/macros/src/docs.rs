//! Doc comments as descriptions.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The text of a doc comment up to its first heading or code block: paragraphs of one line each, with an empty line between.
pub fn description(attributes: &[Attribute]) -> String {
    let mut paragraphs = vec![String::new()];
    'attributes: for text in attributes.iter().filter_map(doc_text) {
        for line in text.split('\n').map(str::trim) {
            if line.starts_with("# ") || line.starts_with("```") {
                break 'attributes;
            }
            let Some(last) = paragraphs.last_mut() else {
                break 'attributes;
            };
            if line.is_empty() {
                if !last.is_empty() {
                    paragraphs.push(String::new());
                }
            } else {
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(line);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs.join("\n\n")
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn joins_lines_and_stops_at_headings() {
        let item: syn::ItemFn = parse_quote! {
            /// Distance
            /// in kilometres.
            ///
            /// On the sphere.
            ///
            /// # Panics
            ///
            /// Never.
            #[inline]
            fn f() {}
        };
        assert_eq!(
            description(&item.attrs),
            "Distance in kilometres.\n\nOn the sphere."
        );
    }
}
