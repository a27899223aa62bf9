//! Executes SQL text.
//!
//! datafusion-cli plans its statements itself, and DataFusion's planner drops clauses of `CREATE FUNCTION` and the quotes around names.
//! So statements about functions go to [`SessionContextExt::wasm_sql`], which sees the text. All others go to datafusion-cli.

use std::collections::VecDeque;

use datafusion::common::instant::Instant;
use datafusion::config::Dialect;
use datafusion::error::{DataFusionError, Result};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::dialect_from_str;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer, TokenizerError};
use datafusion_cli::exec::exec_from_commands;
use datafusion_cli::print_format::PrintFormat;
use datafusion_cli::print_options::PrintOptions;
use wasmfusion::SessionContextExt;

use super::context::ShellContext;

/// Executes one or more statements and prints their results, up to the first failure.
///
/// All of the text is parsed before any of it is executed.
pub async fn run(context: &ShellContext, sql: &str, options: &PrintOptions) -> Result<()> {
    let dialect = context.dialect();
    let parsed = parse(sql, dialect)?;
    if !parsed.iter().any(is_about_functions) {
        let texts = split(sql, dialect).map_err(|error| syntax(error.into()))?;
        // What cannot be told apart is not told: datafusion-cli may plan an external table twice.
        let is_external = |statement| matches!(statement, &Statement::CreateExternalTable(_));
        let told =
            texts.len() == parsed.len() && (texts.len() == 1 || !parsed.iter().any(is_external));
        let texts = told.then_some(texts);
        let texts = texts.into_iter().flatten().map(str::to_owned);
        return execute(context, sql, texts.collect(), options).await;
    }
    for statement in split(sql, dialect).map_err(|error| syntax(error.into()))? {
        // Parsed again: the statement before may have set another dialect.
        if parse(statement, context.dialect())?
            .iter()
            .any(is_about_functions)
        {
            run_about_functions(context, statement, options).await?;
        } else {
            execute(context, statement, vec![statement.to_owned()], options).await?;
        }
    }
    Ok(())
}

/// Has datafusion-cli execute `sql`, which is these statements.
async fn execute(
    context: &ShellContext,
    sql: &str,
    statements: Vec<String>,
    options: &PrintOptions,
) -> Result<()> {
    context.announce(statements);
    let executed = exec_from_commands(context, vec![sql.to_owned()], options).await;
    context.announce([]);
    executed
}

async fn run_about_functions(
    context: &ShellContext,
    statement: &str,
    options: &PrintOptions,
) -> Result<()> {
    let began = Instant::now();
    let result = context.session().wasm_sql(statement).await?;
    let schema = result.schema().inner().clone();
    let batches = result.collect().await?;
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    let mut options = options.clone();
    if options.format == PrintFormat::Automatic {
        options.format = PrintFormat::Table;
    }
    let state = context.session().state();
    options.print_batches(
        schema,
        &batches,
        began,
        rows,
        &state.config().options().format,
    )
}

fn is_about_functions(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(inner) => {
            matches!(
                inner.as_ref(),
                ast::Statement::CreateFunction(_) | ast::Statement::DropFunction(_)
            )
        }
        _ => false,
    }
}

fn parse(sql: &str, dialect: Dialect) -> Result<VecDeque<Statement>> {
    DFParser::parse_sql_with_dialect(sql, parser_dialect(dialect).as_ref())
}

fn syntax(error: ParserError) -> DataFusionError {
    DataFusionError::SQL(Box::new(error), None)
}

/// The parser's form of a dialect.
fn parser_dialect(dialect: Dialect) -> Box<dyn datafusion::sql::sqlparser::dialect::Dialect> {
    dialect_from_str(dialect)
        .unwrap_or_else(|| Box::new(datafusion::sql::sqlparser::dialect::GenericDialect {}))
}

/// The statements in a text, without their semicolons. Comments alone are no statement.
pub fn split(sql: &str, dialect: Dialect) -> Result<Vec<&str>, TokenizerError> {
    let dialect = parser_dialect(dialect);
    let mut places = Places::new(sql);
    let mut statements = Vec::new();
    let (mut start, mut empty) = (0, true);
    for token in Tokenizer::new(dialect.as_ref(), sql).tokenize_with_location()? {
        match token.token {
            Token::SemiColon => {
                let (from, to) = (places.byte(token.span.start), places.byte(token.span.end));
                if !empty {
                    statements.push(&sql[start..from]);
                }
                (start, empty) = (to, true);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => empty = false,
        }
    }
    if !empty {
        statements.push(&sql[start..]);
    }
    Ok(statements)
}

/// Whether a text ends where a statement ends: at a semicolon that is in no string and no comment, or before any statement.
pub fn is_complete(sql: &str, dialect: Dialect) -> bool {
    let dialect = parser_dialect(dialect);
    let Ok(tokens) = Tokenizer::new(dialect.as_ref(), sql).tokenize() else {
        return false;
    };
    let mut tokens = tokens
        .iter()
        .rev()
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF));
    tokens.next().is_none_or(|last| *last == Token::SemiColon)
}

/// Turns lines and columns, which the tokenizer counts, into bytes. Asked in ascending order.
struct Places<'a> {
    rest: std::str::CharIndices<'a>,
    length: usize,
    at: Location,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.char_indices(),
            length: text.len(),
            at: Location { line: 1, column: 1 },
        }
    }

    fn byte(&mut self, place: Location) -> usize {
        while self.at < place {
            match self.rest.next() {
                Some((_, '\n')) => {
                    self.at = Location {
                        line: self.at.line + 1,
                        column: 1,
                    }
                }
                Some(_) => self.at.column += 1,
                None => return self.length,
            }
        }
        self.rest.offset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(sql: &str) -> Vec<&str> {
        split(sql, Dialect::Generic).unwrap()
    }

    #[test]
    fn splits_at_semicolons_only() {
        assert_eq!(pieces("SELECT 1; SELECT 2"), ["SELECT 1", " SELECT 2"]);
        assert_eq!(
            pieces("SELECT ';' ;;\n-- ; \n; SELECT \"a;b\" /* ; */;"),
            ["SELECT ';' ", " SELECT \"a;b\" /* ; */"]
        );
        assert_eq!(pieces(" -- nothing\n"), Vec::<&str>::new());
    }

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(
            pieces("SELECT 'äöü€𝄞';\nSELECT 'ß';SELECT 3"),
            ["SELECT 'äöü€𝄞'", "\nSELECT 'ß'", "SELECT 3"]
        );
        assert_eq!(
            pieces("SELECT\r\n 'a\nb';\r\nSELECT 2;\t"),
            ["SELECT\r\n 'a\nb'", "\r\nSELECT 2"]
        );
    }

    #[test]
    fn knows_where_a_statement_ends() {
        for complete in [
            "",
            "  ",
            "-- comment",
            "SELECT 1;",
            "SELECT 1; -- done",
            "SELECT 'a\n;b';",
            "SELECT 1; /* x */ ",
        ] {
            assert!(is_complete(complete, Dialect::Generic), "{complete}");
        }
        for open in [
            "SELECT 1",
            "SELECT 'a;",
            "SELECT 1 -- ;",
            "SELECT /* ;",
            "SELECT 1; SELECT 2",
        ] {
            assert!(!is_complete(open, Dialect::Generic), "{open}");
        }
    }
}
