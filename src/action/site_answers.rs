//! The built-in probe `site_answers`: the site's Region answers reads.

use super::{Assumed, Behave, Next, StepCx, verify_http::judge};
use crate::{
    clock::Span,
    world::{Target, What, World},
};
use serde::{Deserialize, Serialize};

/// Its name among the actions; it has no row, so no step can name it.
pub(super) const NAME: &str = "site-answers";

/// The built-in probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteAnswers {}

impl Behave for SiteAnswers {
    fn targets(&self, cx: &StepCx<'_>) -> Vec<Target> {
        vec![Target::at(cx.at, What::Site)]
    }
    fn next(&self, cx: &StepCx<'_>, w: &World) -> Next {
        judge(&Target::at(cx.at, What::Site), w)
    }
    fn assume(&self, cx: &StepCx<'_>, w: &mut World) -> Option<Assumed> {
        super::verify_http::assume(&Target::at(cx.at, What::Site), cx, w);
        Some(Assumed { what: format!("{} answers", cx.at.name), takes: Span::ZERO })
    }
}
