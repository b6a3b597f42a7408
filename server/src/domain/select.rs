//! A question about a node, as an expression of CEL: parsed by crate `cel`, checked here before it ever runs. Every name
//! must be a field that exists, every operation must fit the types, and the work it can be on the largest node is bounded;
//! so what is left to fail at run time is arithmetic and an index out of range. It must never be silently false.

mod check;
mod near;
mod pushdown;
mod which;

pub use pushdown::{Column, Equal};
pub use which::Which;

use super::facts::{Facts, Object};
use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::common::types::CelBool;
use cel::parser::{ParseErrors, Parser};
use cel::{Context, Env, ExecutionError, Value};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// Bytes of an expression.
pub const TEXT_MAX: usize = 4096;
/// Operators, dots and brackets in an expression, so that no tree is deep enough to hurt a stack once it is parsed.
pub const SIGNS_MAX: usize = 250;
/// `exists`, `all`, `filter` or `map` within one another.
pub const NESTED_MAX: usize = 2;
/// Stack for the parser, in bytes, used only as far as it is needed: it takes up to 130 KB for each bracket within a
/// bracket (measured without optimisation), more than a worker's 2 MiB for an expression of the most signs.
const PARSER_STACK: usize = 64 << 20;
/// Brackets that can be parsed on any stack.
const SHALLOW: usize = 8;
/// Steps that one evaluation may take on a node with every list full.
pub const STEPS_MAX: u64 = 150_000;

/// Why an expression is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SelectError {
    /// Character, counted from 1; none: the whole of it.
    pub at: Option<usize>,
    /// What was expected, what came, what to do.
    pub message: String,
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "character {at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A checked expression.
#[derive(Debug)]
pub struct Selector {
    text: String,
    expr: IdedExpr,
    hardware: bool,
    equals: Vec<Equal>,
}

/// Numbers with a name.
const CONSTANTS: [(&str, i64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Selector {
    /// Compile and check. Errors: what does not fit, with its place; nothing was run.
    pub fn compile(text: &str) -> Result<Self, SelectError> {
        bounded(text)?;
        let (mut expr, info) = parse(text)?;
        let found = check::check(&expr, &info, text)?;
        let equals = pushdown::equals(&expr);
        fold(&mut expr);
        Ok(Self { text: text.to_owned(), expr, hardware: found.hardware, equals })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it asks for more than the node's own record.
    pub fn needs_hardware(&self) -> bool {
        self.hardware
    }

    /// What must hold for any node that matches, for the database to look up.
    pub fn equals(&self) -> &[Equal] {
        &self.equals
    }

    /// Does it hold for a node? Errors: arithmetic that overflows or divides by zero, an index out of range, a text that is
    /// no number.
    pub fn matches(&self, facts: &Facts) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_as_val("node", Box::new(Object(facts)));
        match Value::resolve_val(&self.expr, &context) {
            Ok(value) => match value.downcast_ref::<CelBool>() {
                Some(holds) => Ok(*holds.inner()),
                None => Err(format!("it gives a {}, expected true or false", value.get_type().name())),
            },
            Err(error) => Err(explain(&error)),
        }
    }
}

impl std::str::FromStr for Selector {
    type Err = SelectError;
    fn from_str(text: &str) -> Result<Self, SelectError> {
        Self::compile(text)
    }
}

fn explain(error: &ExecutionError) -> String {
    match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is too large for 64 bits".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of range: ask size() first, or use exists()".to_owned(),
        other => other.to_string().chars().take(200).collect(),
    }
}

/// Refuse what would cost before it is even parsed.
fn bounded(text: &str) -> Result<(), SelectError> {
    let refuse = |message: String| Err(SelectError { at: None, message });
    if text.trim().is_empty() {
        return refuse("expected an expression, e.g. node.memory.total >= 512*GiB".to_owned());
    }
    if text.len() > TEXT_MAX {
        return refuse(format!("expected at most {TEXT_MAX} bytes, got {}", text.len()));
    }
    if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
        return Err(SelectError { at: Some(at + 1), message: format!("expected text, got control character {c:?}") });
    }
    let sign = |c: &char| !c.is_alphanumeric() && !c.is_whitespace() && !matches!(c, ',' | ':' | '"' | '\'' | '_');
    // The one operator that is a word.
    let ins = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| *word == "in").count();
    let signs = text.chars().filter(sign).count() + ins;
    if signs > SIGNS_MAX {
        return refuse(format!(
            "expected at most {SIGNS_MAX} operators, dots and brackets, got {signs}: use two questions"
        ));
    }
    Ok(())
}

/// Parse on a stack of its own.
fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), SelectError> {
    let parse = || Parser::default().parse_with_source_info(text).map_err(|e| syntax(&e));
    let failed = |why: &str| SelectError { at: None, message: format!("the expression could not be read: {why}") };
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parse);
        let parser = match parser {
            Ok(parser) => parser,
            // A machine that is short of threads: this stack is enough for what people write.
            Err(_) if text.matches(['(', '[', '{']).count() <= SHALLOW => return parse(),
            Err(e) => return Err(failed(&format!("no thread for it: {e}; try again"))),
        };
        parser.join().unwrap_or_else(|_| Err(failed("the parser gave up; write it more simply")))
    })
}

/// The first thing that the parser did not understand.
fn syntax(errors: &ParseErrors) -> SelectError {
    let Some(first) = errors.errors.first() else {
        return SelectError { at: None, message: "this is no CEL expression".to_owned() };
    };
    let message: String = first.msg.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    let at = usize::try_from(first.pos.1).ok().filter(|_| first.pos.0 == 1);
    SelectError { at, message: format!("this is no CEL expression: {}", message.trim()) }
}

/// Put the constants in, so that nothing has to look them up.
fn fold(expr: &mut IdedExpr) {
    use cel::common::ast::{EntryExpr, LiteralValue};
    match &mut expr.expr {
        Expr::Ident(name) => {
            if let Some((_, value)) = CONSTANTS.iter().find(|(constant, _)| constant == name) {
                expr.expr = Expr::Literal(LiteralValue::Int((*value).into()));
            }
        }
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| fold(target));
            call.args.iter_mut().for_each(fold);
        }
        Expr::Comprehension(c) => {
            [&mut c.iter_range, &mut c.accu_init, &mut c.loop_cond, &mut c.loop_step, &mut c.result]
                .into_iter()
                .for_each(fold);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(fold),
        Expr::Select(select) => fold(&mut select.operand),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    fold(&mut entry.value);
                }
            }
        }
        Expr::Unspecified | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

#[cfg(test)]
mod tests;
