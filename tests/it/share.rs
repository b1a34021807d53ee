//! How much of all that could be tried is tried: a variable of the environment says it.

/// What was asked for.
#[derive(Clone, Copy)]
pub enum Share {
    /// Nothing was: what a test takes by itself.
    Usual,
    /// So many, evenly.
    Number(usize),
    /// The n-th of so many parts, from 1, which together are all.
    Part { nth: usize, of: usize },
}

impl Share {
    /// Which of the numbers below `end` that is: evenly, and so many usually.
    pub fn of(self, end: usize, usual: usize) -> impl Iterator<Item = usize> {
        let evenly = |some| (0, end.div_ceil(some) | 1);
        let (first, step) = match self {
            Self::Usual => evenly(usual),
            Self::Number(some) => evenly(some),
            Self::Part { nth, of } => (nth - 1, of),
        };
        (first..end).step_by(step)
    }

    /// What a variable asks for: a number, `all`, or a part, `1/20` to `20/20`.
    ///
    /// # Panics
    /// If it is none of these.
    pub fn asked(variable: &str) -> Self {
        let text = std::env::var(variable).unwrap_or_default();
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.unwrap_or_else(|| panic!("{variable} is a number, `all`, or a part as in 3/20"))
        };
        match (text.as_str(), text.split_once('/')) {
            ("", _) => Self::Usual,
            ("all", _) => Self::Part { nth: 1, of: 1 },
            (_, Some((nth, of))) => {
                let (nth, of) = (number(nth), number(of));
                assert!(nth <= of, "{variable}: there is no part {nth} of {of}");
                Self::Part { nth, of }
            }
            (some, None) => Self::Number(number(some)),
        }
    }
}
