//! The options of a launch's header against those that a magic declares.

use super::OptionSpec;
use crate::expression::HeaderOption;
use warpbook_diagnostic::{Diagnostic, Result, nearest};

/// Refuses options that a magic does not have, with the nearest one that it has.
pub fn check_options(options: &[HeaderOption], known: &[OptionSpec]) -> Result<()> {
    for option in options {
        let Some(spec) = known.iter().find(|spec| spec.name == option.name) else {
            let error = Diagnostic::error("unknown-option", format!("there is no option `{}` here", option.name))
                .at(option.span.clone(), "");
            return Err(match nearest(&option.name, known.iter().map(|spec| spec.name)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`--help` lists the options"),
            });
        };
        if !spec.value.is_empty() && option.value.is_none() && !spec.value.starts_with('[') {
            let error = Diagnostic::error("option-value", format!("`{}` needs a value: {}", option.name, spec.value));
            return Err(error.at(option.span.clone(), ""));
        }
    }
    Ok(())
}
