//! Kinds of values that an expression can hold, and how the interpreter sees a record of ours.

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelBool, CelInt, CelList, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use std::fmt::Debug;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Bool,
    /// A whole number, 64 bits with a sign.
    Int,
    /// A text.
    Text,
    /// At most so many of one kind.
    List(&'static Kind, usize),
    /// Fields, in groups.
    Object(&'static [&'static [Field]]),
}

/// One field.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means, and its unit.
    pub doc: &'static str,
}

impl Kind {
    /// Its fields; none but for objects.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + Clone + use<> {
        let groups = match self {
            Self::Object(groups) => groups,
            _ => &[][..],
        };
        groups.iter().flat_map(|group| group.iter())
    }
}

/// A value that an expression can hold.
pub trait Fact: Debug + Send + Sync {
    /// What it is.
    const KIND: Kind;
    /// How many of them a list holds at most.
    const MOST: usize;
    /// For the interpreter; borrowed, nothing is copied.
    fn val(&self) -> Box<dyn Val + '_>;
}

impl Fact for bool {
    const KIND: Kind = Kind::Bool;
    const MOST: usize = 0;
    fn val(&self) -> Box<dyn Val + '_> {
        Box::new(CelBool::from(*self))
    }
}

impl Fact for i64 {
    const KIND: Kind = Kind::Int;
    const MOST: usize = 0;
    fn val(&self) -> Box<dyn Val + '_> {
        Box::new(CelInt::from(*self))
    }
}

impl Fact for String {
    const KIND: Kind = Kind::Text;
    const MOST: usize = 256;
    fn val(&self) -> Box<dyn Val + '_> {
        Box::new(CelString::from(self.as_str()))
    }
}

impl<T: Fact> Fact for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND, T::MOST);
    const MOST: usize = 0;
    fn val(&self) -> Box<dyn Val + '_> {
        let items: Vec<Box<dyn Val + '_>> = self.iter().take(T::MOST).map(Fact::val).collect();
        Box::new(CelList::from(items))
    }
}

/// Something with fields that are found by name.
pub trait Record: Debug + Send + Sync {
    /// The field's value; none: there is no such field.
    fn get(&self, name: &str) -> Option<Box<dyn Val + '_>>;
}

/// A record as the interpreter sees it: fields are looked up when they are asked for, so an expression costs what it
/// uses, not what a node has.
#[derive(Debug, Clone, Copy)]
pub struct Object<'v>(pub &'v dyn Record);

impl<'v> Val for Object<'v> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }
    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }
    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }
    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(*self)
    }
}

impl<'v> Indexer for Object<'v> {
    fn get<'b, 'w>(&'b self, field: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = field.downcast_ref::<CelString>().map(|s| s.inner()).unwrap_or_default();
        self.0.get(name).map(CowVal::Owned).ok_or_else(|| ExecutionError::no_such_key(name))
    }
    fn steal<'w>(self: Box<Self>, field: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = field.downcast_ref::<CelString>().map(|s| s.inner()).unwrap_or_default();
        self.0.get(name).ok_or_else(|| ExecutionError::no_such_key(name))
    }
}
