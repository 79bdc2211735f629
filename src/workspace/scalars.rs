//! Named scalars (`%let`), in the order in which they came.

use crate::expression::Scalar;

/// The scalars of a session.
#[derive(Clone, Debug, Default)]
pub struct Scalars {
    scalars: Vec<(String, Scalar)>,
}

impl Scalars {
    /// A scalar by name.
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.scalars.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Names a value, anew if the name is known.
    pub fn set(&mut self, name: &str, value: Scalar) {
        match self.scalars.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.scalars.push((name.to_owned(), value)),
        }
    }

    /// Forgets a name; whether it was known.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.scalars.len();
        self.scalars.retain(|(known, _)| known != name);
        self.scalars.len() < before
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
        self.scalars.iter().map(|(name, value)| (name.as_str(), value))
    }
}
