//! `div.full.f32` as ptxas writes it: a product with the reciprocal.

/// What ptxas makes of `div.full.f32` before the product: both operands scaled where the divisor or its reciprocal would
/// not be a normal number. The reciprocal of a constant is rounded correctly.
pub(super) fn reciprocal(a: &str, b: &str, flushes: bool, is_constant: bool) -> String {
    let ftz = if flushes { ".ftz" } else { "" };
    let function = match (is_constant, flushes) {
        (false, _) => "rcp.approx.ftz",
        (true, false) => "rcp.rn",
        (true, true) => "rcp.rn.ftz",
    };
    [
        ".reg .pred %large, %small; .reg .f32 %magnitude, %scale, %dividend, %divisor, %reciprocal;",
        &format!("abs{ftz}.f32 %magnitude, {b};"),
        "setp.gt.f32 %large, %magnitude, 0f7E800000; setp.lt.f32 %small, %magnitude, 0f00800000;",
        "selp.f32 %scale, 0f3E800000, 0f3F800000, %large; selp.f32 %scale, 0f4B800000, %scale, %small;",
        &format!("mul.rn{ftz}.f32 %dividend, {a}, %scale; mul.rn{ftz}.f32 %divisor, {b}, %scale;"),
        &format!("{function}.f32 %reciprocal, %divisor; "),
    ]
    .join(" ")
}

/// The three operands of an instruction, as they are written.
pub(super) fn operands(instruction: &str) -> Option<[&str; 3]> {
    let (_, operands) = instruction.trim_end_matches(';').trim().split_once(char::is_whitespace)?;
    let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
    operands.try_into().ok()
}
