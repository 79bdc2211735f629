//! Which block, warp and lanes an option names.

use crate::expression::{HeaderOption, LaunchHeader};
use crate::magics::OptionSpec;
use warpbook_diagnostic::{Diagnostic, Result};

pub const BLOCK: OptionSpec = OptionSpec { name: "--block", value: "X,Y,Z", help: "this block rather than (0, 0, 0)" };

/// The error of an option's value.
pub fn wrong(option: &HeaderOption, expected: &str) -> Diagnostic {
    let message = format!("`{}` takes {expected}", option.name);
    let span = if option.value.is_some() { option.value_span.clone() } else { option.span.clone() };
    Diagnostic::error("option-value", message).at(span, "")
}

/// The block of `--block`: `3`, `3,1`, `3,1,0`.
pub fn block(header: &LaunchHeader) -> Result<[u32; 3]> {
    let Some(option) = header.option(BLOCK.name) else { return Ok([0; 3]) };
    let expected = "one to three indices, such as 3 or 3,1,0";
    let mut block = [0; 3];
    let parts: Vec<&str> = option.value.as_deref().unwrap_or_default().split(',').map(str::trim).collect();
    if parts.len() > 3 {
        return Err(wrong(option, expected));
    }
    for (index, part) in block.iter_mut().zip(parts) {
        *index = part.parse().map_err(|_| wrong(option, expected))?;
    }
    Ok(block)
}

/// The error of a launch in which the block was not found.
pub fn no_such_block(header: &LaunchHeader, [x, y, z]: [u32; 3]) -> Diagnostic {
    let error = Diagnostic::error("no-such-block", format!("this launch has no block ({x}, {y}, {z})"));
    match header.option(BLOCK.name) {
        Some(option) => {
            error.at(option.value_span.clone(), "").help("the grid is in brackets: `name[GRID](ARGUMENTS)`")
        }
        None => error,
    }
}
