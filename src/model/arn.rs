//! Names of AWS that say where a thing is (AWS General Reference, ARN format).

/// The ARN of a state machine, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineArn<'a> {
    partition: &'a str,
    /// The Region it is in.
    pub region: &'a str,
    /// The account that has it.
    pub account: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> MachineArn<'a> {
    /// `arn:PARTITION:states:REGION:ACCOUNT:stateMachine:NAME`. None for anything else, versions and
    /// aliases among it: executions are named and found by the state machine alone.
    pub fn parse(arn: &'a str) -> Option<Self> {
        match arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", partition, "states", region, account, "stateMachine", name]
                if ![partition, region, account, name].contains(&"") =>
            {
                Some(Self { partition, region, account, name })
            }
            _ => None,
        }
    }

    /// The ARN that the execution of a name has, or will have.
    pub fn execution(&self, name: &str) -> String {
        format!("arn:{}:states:{}:{}:execution:{}:{name}", self.partition, self.region, self.account, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_found_by_its_machine_and_name() {
        let arn = MachineArn::parse("arn:aws-cn:states:cn-north-1:111122223333:stateMachine:warm").expect("one");
        assert_eq!((arn.region, arn.account, arn.name), ("cn-north-1", "111122223333", "warm"));
        assert_eq!(arn.execution("r1-warm-1"), "arn:aws-cn:states:cn-north-1:111122223333:execution:warm:r1-warm-1");
        for other in [
            "warm",
            "arn:aws:states:us-west-2:111122223333:stateMachine:",
            "arn:aws:states:us-west-2:111122223333:stateMachine:warm:PROD",
            "arn:aws:states:us-west-2:111122223333:activity:warm",
            "arn:aws:lambda:us-west-2:111122223333:function:warm",
        ] {
            assert_eq!(MachineArn::parse(other), None, "{other}");
        }
    }
}
