//! The account of a function.

/// The account in `arn:aws:lambda:REGION:ACCOUNT:function:NAME`; `None` if there is none.
pub fn function_account(function_arn: &str) -> Option<String> {
    let account = function_arn.split(':').nth(4)?;
    (!account.is_empty()).then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_the_fifth_part_of_the_arn() {
        let account = |arn: &str| function_account(arn);
        let arn = "arn:aws-cn:lambda:cn-north-1:111122223333:function:sweeper:live";
        assert_eq!(account(arn).as_deref(), Some("111122223333"));
        for unknown in ["", "sweeper", "arn:aws:lambda:us-east-1::function:sweeper"] {
            assert_eq!(account(unknown), None, "{unknown}");
        }
    }
}
