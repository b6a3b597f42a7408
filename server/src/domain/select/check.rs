//! Types and cost of an expression, found by walking it once: what a field is called, what it holds, what an operator
//! takes, and how many steps the whole is on a node with every list full.

mod functions;

use super::near::nearest;
use super::{CONSTANTS, NESTED_MAX, STEPS_MAX, SelectError};
use crate::domain::facts::{Hardware, Kind, NODE, TEXT_MAX as FIELD_CHARS};
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo, operators};
use std::fmt;

/// Levels of a tree: whatever walks it later needs that much stack. Long chains of `&&` and `||` are balanced by the parser.
const DEPTH_MAX: usize = 50;

/// What the walk found besides errors.
pub(super) struct Found {
    /// It asks for a field of [`Hardware`].
    pub(super) hardware: bool,
}

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Bool,
    Int,
    Double,
    /// With the most bytes that it can have.
    Text(usize),
    List(Box<Shape>, usize),
    Object(Kind),
}

impl Shape {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool,
            Kind::Int => Self::Int,
            Kind::Text => Self::Text(FIELD_CHARS * 4),
            Kind::List(item, most) => Self::List(Box::new(Self::of(item)), *most),
            object @ Kind::Object(_) => Self::Object(*object),
        }
    }

    /// Values in it.
    fn size(&self) -> u64 {
        match self {
            Self::List(item, most) => item.size().saturating_mul(*most as u64).saturating_add(1),
            Self::Text(bytes) => 1 + *bytes as u64 / 1024,
            _ => 1,
        }
    }

    /// What holds either of two values; none: they are not of one type.
    fn joined(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(Self::Text(*a.max(b))),
            (Self::List(a, n), Self::List(b, m)) => Some(Self::List(Box::new(a.joined(b)?), *n.max(m))),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }

    /// Whether two of them can be equal at all.
    fn compares_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::List(a, _), Self::List(b, _)) => a.compares_with(b),
            (Self::Object(_), _) | (_, Self::Object(_)) => false,
            (Self::Text(_), Self::Text(_)) => true,
            (a, b) => a == b || (a.is_number() && b.is_number()),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("a bool"),
            Self::Int => f.write_str("an int"),
            Self::Double => f.write_str("a double"),
            Self::Text(_) => f.write_str("a string"),
            Self::List(..) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

type Checked = Result<(Shape, u64), SelectError>;

struct Walk<'a> {
    info: &'a SourceInfo,
    text: &'a str,
    /// Variables of the comprehensions that we are in, innermost last.
    scope: Vec<(&'a str, Shape)>,
    hardware: bool,
    /// Expressions that this one is within.
    depth: usize,
}

/// Check a whole expression: it must give true or false.
pub(super) fn check(expr: &IdedExpr, info: &SourceInfo, text: &str) -> Result<Found, SelectError> {
    let mut walk = Walk { info, text, scope: Vec::new(), hardware: false, depth: 0 };
    let (shape, steps) = walk.check(expr)?;
    if shape != Shape::Bool {
        let message = format!("expected a comparison that is true or false, got {shape}: {}", shown(expr));
        return Err(SelectError { at: None, message });
    }
    if steps > STEPS_MAX {
        let message = format!(
            "it could take {steps} steps on a node with full lists, at most {STEPS_MAX} are allowed: \
             nest fewer lists, or compare before you search"
        );
        return Err(SelectError { at: None, message });
    }
    Ok(Found { hardware: walk.hardware })
}

impl<'a> Walk<'a> {
    /// An error about `expr`, placed at `word` where that is found after the start of it.
    fn error<T>(&self, expr: &IdedExpr, word: &str, message: String) -> Result<T, SelectError> {
        let start = self.info.offset_for(expr.id).map_or(0, |(start, _)| start as usize);
        let chars: Vec<char> = self.text.chars().collect();
        let word: Vec<char> = word.chars().collect();
        let find = |from: usize| {
            let rest = chars.get(from..).unwrap_or_default();
            let found = rest.windows(word.len().max(1)).position(|window| window == word.as_slice());
            found.map(|at| from + at + 1)
        };
        let at = if word.is_empty() { Some(start + 1) } else { find(start).or_else(|| find(0)) };
        Err(SelectError { at, message })
    }

    fn check(&mut self, expr: &'a IdedExpr) -> Checked {
        if self.depth >= DEPTH_MAX {
            let message = format!("expected at most {DEPTH_MAX} operations within one another");
            return self.error(expr, "", message);
        }
        self.depth += 1;
        let checked = self.check_one(expr);
        self.depth -= 1;
        checked
    }

    fn check_one(&mut self, expr: &'a IdedExpr) -> Checked {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Ident(name) => self.ident(expr, name),
            Expr::Select(select) => self.select(expr, select),
            Expr::Call(call) => self.call(expr, call),
            Expr::Comprehension(comprehension) => self.comprehension(expr, comprehension),
            Expr::List(list) if list.elements.is_empty() => {
                self.error(expr, "", "expected a list with at least one value".to_owned())
            }
            Expr::List(list) => {
                let mut of: Option<Shape> = None;
                let mut steps = 1u64;
                for element in &list.elements {
                    let (shape, cost) = self.check(element)?;
                    steps = steps.saturating_add(cost);
                    let Some(first) = of.take() else {
                        of = Some(shape);
                        continue;
                    };
                    of = first.joined(&shape);
                    if of.is_none() {
                        let message = format!("expected a list of one type, got {first} and {shape}");
                        return self.error(element, "", message);
                    }
                }
                Ok((Shape::List(Box::new(of.unwrap_or(Shape::Text(0))), list.elements.len()), steps))
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.error(expr, "", "maps and structs are not for questions about nodes".to_owned())
            }
            Expr::Unspecified => self.error(expr, "", "something is missing here".to_owned()),
        }
    }

    fn literal(&self, expr: &IdedExpr, literal: &LiteralValue) -> Checked {
        Ok((
            match literal {
                LiteralValue::Boolean(_) => Shape::Bool,
                LiteralValue::Int(_) => Shape::Int,
                LiteralValue::Double(_) => Shape::Double,
                LiteralValue::String(text) => Shape::Text(text.inner().len()),
                LiteralValue::UInt(_) => {
                    return self.error(expr, "", "expected a number without the letter u".to_owned());
                }
                LiteralValue::Bytes(_) => return self.error(expr, "", "expected a string, got bytes".to_owned()),
                LiteralValue::Null => {
                    let message = "nothing is null here: what is not known is \"\", 0, false or an empty list";
                    return self.error(expr, "null", message.to_owned());
                }
            },
            1,
        ))
    }

    fn ident(&mut self, expr: &IdedExpr, name: &str) -> Checked {
        if let Some((_, shape)) = self.scope.iter().rev().find(|(variable, _)| *variable == name) {
            return Ok((shape.clone(), shape.size()));
        }
        if name == "node" {
            return Ok((Shape::Object(NODE), 1));
        }
        if CONSTANTS.iter().any(|(constant, _)| *constant == name) {
            return Ok((Shape::Int, 1));
        }
        let known = CONSTANTS.iter().map(|(constant, _)| *constant).chain(["node"]);
        let variables = self.scope.iter().map(|(variable, _)| *variable);
        let near = suggestion(name, known.chain(variables.filter(|v| !v.starts_with('@'))));
        let field = match NODE.fields().any(|field| field.name == name) {
            true => format!(": did you mean node.{name}?"),
            false => near,
        };
        self.error(expr, name, format!("there is no name {name:?}{field}"))
    }

    fn select(&mut self, expr: &'a IdedExpr, select: &'a SelectExpr) -> Checked {
        let (operand, steps) = self.check(&select.operand)?;
        let name = select.field.as_str();
        let Shape::Object(kind) = operand else {
            let what = shown(&select.operand);
            let hint = if matches!(operand, Shape::List(..)) { ": use exists(), all() or an index" } else { "" };
            return self.error(expr, name, format!("{what} is {operand} and has no field {name:?}{hint}"));
        };
        let Some(field) = kind.fields().find(|field| field.name == name) else {
            let near = suggestion(name, kind.fields().map(|field| field.name));
            return self.error(expr, name, format!("{} has no field {name:?}{near}", shown(&select.operand)));
        };
        if select.test {
            let message =
                format!("has({0}) is always true: what is not known is \"\", 0 or empty, so compare", shown(expr));
            return self.error(expr, name, message);
        }
        if kind == NODE {
            self.hardware |= Hardware::FIELDS.iter().any(|field| field.name == name);
        }
        let shape = Shape::of(&field.kind);
        let steps = steps.saturating_add(shape.size());
        Ok((shape, steps))
    }

    fn comprehension(&mut self, expr: &'a IdedExpr, c: &'a ComprehensionExpr) -> Checked {
        let (range, range_steps) = self.check(&c.iter_range)?;
        let Shape::List(item, most) = range else {
            let message = format!("expected a list to go through, got {range}: {}", shown(&c.iter_range));
            return self.error(&c.iter_range, "", message);
        };
        let reserved = c.iter_var == "node" || CONSTANTS.iter().any(|(constant, _)| *constant == c.iter_var);
        if reserved || c.iter_var2.is_some() {
            return self.error(expr, &c.iter_var, format!("expected one new name for the item, got {:?}", c.iter_var));
        }
        let depth = self.scope.len();
        if depth >= NESTED_MAX {
            let message = format!("expected at most {NESTED_MAX} of exists, all, filter and map within one another");
            return self.error(expr, &c.iter_var, message);
        }
        self.scope.push((&c.iter_var, (*item).clone()));
        let body = self.body(expr, c);
        self.scope.truncate(depth);
        let (result, step) = body?;
        let shape = match result {
            Gives::Bool => Shape::Bool,
            Gives::ListOf(shape) => Shape::List(Box::new(shape), most),
        };
        // For each item: bind it, ask whether to go on, take the step.
        let steps = step.saturating_add(6).saturating_mul(most as u64).saturating_add(range_steps).saturating_add(3);
        Ok((shape, steps))
    }

    /// What the macros of the language expand to: `@result || P`, `@result && P`, `P ? @result + 1 : @result`,
    /// `@result + [F]` and `P ? @result + [F] : @result`.
    fn body(&mut self, expr: &'a IdedExpr, c: &'a ComprehensionExpr) -> Result<(Gives, u64), SelectError> {
        let unknown = |walk: &Self| walk.error(expr, "", "this form of going through a list is not known".to_owned());
        let Expr::Call(step) = &c.loop_step.expr else { return unknown(self) };
        match (step.func_name.as_str(), step.args.as_slice()) {
            (operators::LOGICAL_OR | operators::LOGICAL_AND, [_, condition]) => {
                Ok((Gives::Bool, self.condition(condition)?))
            }
            (operators::ADD, [_, appended]) => self.appended(expr, appended),
            (operators::CONDITIONAL, [condition, kept, _]) => {
                let steps = self.condition(condition)?;
                match (&c.accu_init.expr, &kept.expr) {
                    (Expr::Literal(_), _) => Ok((Gives::Bool, steps)),
                    (Expr::List(_), Expr::Call(kept)) => match kept.args.as_slice() {
                        [_, appended] => {
                            let (result, more) = self.appended(expr, appended)?;
                            Ok((result, steps.saturating_add(more)))
                        }
                        _ => unknown(self),
                    },
                    _ => unknown(self),
                }
            }
            _ => unknown(self),
        }
    }

    fn appended(&mut self, expr: &IdedExpr, list: &'a IdedExpr) -> Result<(Gives, u64), SelectError> {
        let Expr::List(list) = &list.expr else {
            return self.error(expr, "", "this form of going through a list is not known".to_owned());
        };
        let [value] = list.elements.as_slice() else {
            return self.error(expr, "", "this form of going through a list is not known".to_owned());
        };
        let (shape, steps) = self.check(value)?;
        let steps = steps.saturating_add(shape.size());
        Ok((Gives::ListOf(shape), steps))
    }

    fn condition(&mut self, expr: &'a IdedExpr) -> Result<u64, SelectError> {
        let (shape, steps) = self.check(expr)?;
        if shape == Shape::Bool {
            return Ok(steps);
        }
        self.error(expr, "", format!("expected a condition that is true or false, got {shape}: {}", shown(expr)))
    }

    fn call(&mut self, expr: &'a IdedExpr, call: &'a CallExpr) -> Checked {
        if let Some(message) = functions::unknown(&call.func_name) {
            return self.error(expr, &call.func_name, message);
        }
        let mut shapes = Vec::new();
        let mut steps = 1u64;
        for arg in call.target.as_deref().into_iter().chain(&call.args) {
            let (shape, cost) = self.check(arg)?;
            steps = steps.saturating_add(cost);
            shapes.push(shape);
        }
        let parts: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let shape = functions::result(call, &shapes);
        match shape {
            functions::Outcome::Gives(shape, more) => Ok((shape, steps.saturating_add(more))),
            functions::Outcome::Unfit(expected) => {
                let got: Vec<String> = parts.iter().zip(&shapes).map(|(e, s)| format!("{} is {s}", shown(e))).collect();
                let place = parts.iter().find_map(|part| match &part.expr {
                    Expr::Select(select) => Some(select.field.as_str()),
                    Expr::Ident(name) => Some(name.as_str()),
                    _ => None,
                });
                self.error(
                    parts.first().copied().unwrap_or(expr),
                    place.unwrap_or(""),
                    format!("{expected}, got {}", got.join(", ")),
                )
            }
        }
    }
}

/// What a comprehension gives.
enum Gives {
    Bool,
    ListOf(Shape),
}

fn suggestion<'n>(wrong: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    let near = nearest(wrong, names.clone());
    match near.is_empty() {
        false => format!(": did you mean {}?", near.join(" or ")),
        true => format!(": there are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

/// A piece of the expression for a message.
fn shown(expr: &IdedExpr) -> String {
    match &expr.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", shown(&select.operand), select.field),
        Expr::Literal(LiteralValue::String(text)) => format!("{:?}", text.inner().chars().take(40).collect::<String>()),
        Expr::Literal(LiteralValue::Int(number)) => number.inner().to_string(),
        Expr::Literal(LiteralValue::Boolean(value)) => value.inner().to_string(),
        Expr::Literal(_) => "the value".to_owned(),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            call.args.first().map(|list| format!("{}[...]", shown(list))).unwrap_or_default()
        }
        Expr::Call(_) => "the expression".to_owned(),
        Expr::List(_) => "the list".to_owned(),
        Expr::Comprehension(_) => "the search in a list".to_owned(),
        _ => "this".to_owned(),
    }
}
