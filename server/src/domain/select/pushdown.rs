//! What of an expression the database can look up: `node.serial == "X"` and the like, when the whole can only hold where
//! this does.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

/// A column with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// node.uuid
    Uuid,
    /// node.serial
    Serial,
    /// node.profile
    Profile,
    /// node.hostname
    Hostname,
    /// node.manufacturer
    Manufacturer,
    /// node.product
    Product,
}

impl Column {
    fn of(field: &str) -> Option<Self> {
        Some(match field {
            "uuid" => Self::Uuid,
            "serial" => Self::Serial,
            "profile" => Self::Profile,
            "hostname" => Self::Hostname,
            "manufacturer" => Self::Manufacturer,
            "product" => Self::Product,
            _ => return None,
        })
    }
}

/// The column has exactly this value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// Which.
    pub column: Column,
    /// Never empty (what is not known is null in the database), and without NUL (PostgreSQL has no such text).
    pub value: String,
}

/// All that must hold: the terms joined by `&&` at the top.
pub(super) fn equals(expr: &IdedExpr) -> Vec<Equal> {
    let Expr::Call(call) = &expr.expr else { return Vec::new() };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_AND, args) => args.iter().flat_map(equals).collect(),
        (operators::EQUALS, [a, b]) => comparison(a, b).or_else(|| comparison(b, a)).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn comparison(field: &IdedExpr, value: &IdedExpr) -> Option<Equal> {
    let (Expr::Select(select), Expr::Literal(LiteralValue::String(text))) = (&field.expr, &value.expr) else {
        return None;
    };
    let of_node = matches!(&select.operand.expr, Expr::Ident(name) if name == "node") && !select.test;
    let column = Column::of(&select.field).filter(|_| of_node)?;
    let value = text.inner().to_owned();
    (!value.is_empty() && !value.contains('\0')).then_some(Equal { column, value })
}
