//! The operators and functions of the language that questions may use: what each takes, gives and costs.

use super::Shape;
use cel::common::ast::{CallExpr, operators};

/// Bytes of a text that an expression may make: each `+` in a list that is gone through may double it.
const TEXT_MAX: usize = 16 * 1024;
/// Bytes of a number or bool as text: no double is longer.
const NUMBER_MAX: usize = 400;

/// What a call comes to.
pub(super) enum Outcome {
    /// A value of this shape, at so many further steps.
    Gives(Shape, u64),
    /// The arguments do not fit; what was expected.
    Unfit(String),
}

const NAMES: &str = "size(), contains(), startsWith(), endsWith(), string(), int(), and exists(), all(), exists_one(), \
                     filter() and map() with a name and a condition";

/// What to say of a name that is no function here.
pub(super) fn unknown(name: &str) -> Option<String> {
    let functions = ["size", "contains", "startsWith", "endsWith", "string", "int"];
    // Operators are called by names that nobody can write.
    if functions.contains(&name) || name.starts_with(['_', '!', '-', '@']) {
        return None;
    }
    Some(match name {
        "matches" => "there is no matches(): use contains(), startsWith() or endsWith()".to_owned(),
        "lowerAscii" | "upperAscii" => format!("there is no {name}(): compare as it is written"),
        _ => format!("there is no function {name:?} for this: there are {NAMES}"),
    })
}

/// The result of `call` on arguments of these shapes, its target first.
pub(super) fn result(call: &CallExpr, shapes: &[Shape]) -> Outcome {
    use Outcome::{Gives, Unfit};
    use Shape::{Bool, Double, Int, List, Text};
    let name = call.func_name.as_str();
    let unfit = |expected: &str| Unfit(format!("expected {expected}"));
    let text = |bytes: usize| match bytes {
        0..=TEXT_MAX => Gives(Text(bytes), 1 + bytes as u64 / 1024),
        _ => Unfit(format!("expected texts of together at most {TEXT_MAX} bytes around +, these can have {bytes}")),
    };
    match (name, shapes) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, [Bool, Bool]) | (operators::LOGICAL_NOT, [Bool]) => {
            Gives(Bool, 0)
        }
        (operators::LOGICAL_AND, _) => unfit("a condition on both sides of &&"),
        (operators::LOGICAL_OR, _) => unfit("a condition on both sides of ||"),
        (operators::LOGICAL_NOT, _) => unfit("a condition after !"),
        (operators::EQUALS | operators::NOT_EQUALS, [a, b]) if a.compares_with(b) => {
            Gives(Bool, a.size().min(b.size()))
        }
        (operators::EQUALS | operators::NOT_EQUALS, _) => unfit("two values of one type to compare"),
        (operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS, [a, b]) => {
            match (a, b) {
                (Text(_), Text(_)) => Gives(Bool, a.size().min(b.size())),
                (a, b) if a.is_number() && b.is_number() => Gives(Bool, 0),
                _ => unfit("two numbers or two strings to compare"),
            }
        }
        (operators::ADD, [Text(a), Text(b)]) => text(a.saturating_add(*b)),
        (
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO,
            [Int, Int],
        ) => Gives(Int, 0),
        (operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [Double, Double]) => {
            Gives(Double, 0)
        }
        (operators::ADD, _) => unfit("two ints, two doubles or two strings around +"),
        (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO, _) => {
            unfit("two numbers of one type")
        }
        (operators::NEGATE, [number]) if number.is_number() => Gives(number.clone(), 0),
        (operators::NEGATE, _) => unfit("a number after -"),
        (operators::CONDITIONAL, [Bool, a, b]) => match a.joined(b) {
            Some(either) => Gives(either, 0),
            None => unfit("a condition and two values of one type around ? :"),
        },
        (operators::CONDITIONAL, _) => unfit("a condition and two values of one type around ? :"),
        (operators::IN, [a, List(item, most)]) if a.compares_with(item) => {
            Gives(Bool, a.size().saturating_mul(*most as u64))
        }
        (operators::IN, _) => unfit("a value and a list of such values around in"),
        (operators::INDEX, [List(item, _), Int]) => Gives((**item).clone(), item.size()),
        (operators::INDEX, _) => unfit("a list and a number in brackets"),
        ("size", [Text(_) | List(..)]) => Gives(Int, 0),
        ("size", _) => unfit("a string or a list for size()"),
        ("contains" | "startsWith" | "endsWith", [Text(a), Text(_)]) if call.target.is_some() => {
            Gives(Bool, 1 + *a as u64 / 1024)
        }
        ("contains" | "startsWith" | "endsWith", _) => {
            Unfit(format!("expected a string before .{name}(...) and one in it"))
        }
        ("string", [Text(bytes)]) if call.target.is_none() => text(*bytes),
        ("string", [Bool | Int | Double]) if call.target.is_none() => text(NUMBER_MAX),
        ("int", [Int | Double | Text(_)]) if call.target.is_none() => Gives(Int, 1),
        ("string" | "int", _) => Unfit(format!("expected one number or string in {name}(...)")),
        _ => Unfit(format!("expected a use of {name:?} that there is")),
    }
}
