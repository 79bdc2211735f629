//! Places in a launch and in a tensor: a block of the grid, coordinates of an element.

use crate::magics::declare::argument::{Input, Takes};
use warpbook_diagnostic::Result;

/// A block of the grid: `3`, `3,1`, `3,1,0`; what is left out is 0.
#[derive(Clone, Copy, Debug)]
pub struct Block;

impl Takes for Block {
    type Value = [u32; 3];

    fn placeholder(&self) -> String {
        "X,Y,Z".to_owned()
    }

    fn expected(&self) -> String {
        "one to three indices, such as 3 or 3,1,0".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<[u32; 3]> {
        let parts: Option<Vec<u32>> = inside(input.text).split(',').map(|part| part.trim().parse().ok()).collect();
        let mut block = [0; 3];
        let Some(parts) = parts.filter(|parts| parts.len() <= block.len()) else {
            return Err(input.refuse(&self.expected()));
        };
        block.iter_mut().zip(parts).for_each(|(own, given)| *own = given);
        Ok(block)
    }
}

/// Coordinates of an element, outermost first: `3,5`, `[3, 5]`. How many there have to be, and how large they may be,
/// depends on the tensor.
#[derive(Clone, Copy, Debug)]
pub struct Coordinates;

impl Takes for Coordinates {
    type Value = Vec<i32>;

    fn placeholder(&self) -> String {
        "ROW,COLUMN".to_owned()
    }

    fn expected(&self) -> String {
        "coordinates with commas between them, such as 3,5".to_owned()
    }

    fn parse(&self, input: &Input<'_>) -> Result<Vec<i32>> {
        let parts: Option<Vec<i32>> = inside(input.text).split(',').map(|part| part.trim().parse().ok()).collect();
        parts.ok_or_else(|| input.refuse(&self.expected()).help(format!("`{} 128,64`", input.name)))
    }
}

/// A text without the brackets around it.
pub fn inside(text: &str) -> &str {
    text.trim_start_matches(['[', '(']).trim_end_matches([']', ')'])
}
