// Sorted numbers.

// The first position in from..to whose value is greater than the key.
function upperBound(values, key, from = 0, to = values.length) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (values[middle] <= key) from = middle + 1;
    else to = middle;
  }
  return from;
}

// The first position from `from` on whose value is at least the key: quick when it is near.
function advance(values, key, from, to) {
  let step = 1;
  while (from + step < to && values[from + step] < key) step *= 2;
  let high = Math.min(to, from + step);
  while (from < high) {
    const middle = (from + high) >>> 1;
    if (values[middle] < key) from = middle + 1;
    else high = middle;
  }
  return from;
}

// The nearest rank of a share among sorted values.
const percentile = (sorted, share) =>
  sorted.length ? sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] : NaN;
