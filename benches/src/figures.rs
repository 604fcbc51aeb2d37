//! Medians and quantiles.

/// The value that `share` (0.0 to 1.0) of `values` does not exceed, by the nearest rank; 0 when there are none.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among the values")]
    let rank = (last as f64 * share).round() as usize;
    sorted.get(rank).copied().unwrap_or(0.0)
}

/// The median; 0 when there are no values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// `median (least-greatest)` with `digits` decimals.
pub fn spread(values: &[f64], digits: usize) -> String {
    let (low, middle, high) = (quantile(values, 0.0), median(values), quantile(values, 1.0));
    format!("{middle:.digits$} ({low:.digits$}-{high:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((median(&values), quantile(&values, 0.0), quantile(&values, 1.0)), (3.0, 1.0, 5.0));
        assert_eq!(quantile(&values, 0.99), 5.0);
        assert_eq!(median(&[]), 0.0);
        assert_eq!(spread(&values, 1), "3.0 (1.0-5.0)");
    }
}
