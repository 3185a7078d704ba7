// Access to items that exist.

/**
 * Return the value of a key that the map has.
 * @template K, V
 * @param {Map<K, V>} map
 * @param {K} key
 */
export const lookUp = (map, key) => /** @type {V} */ (map.get(key));

/**
 * Return the last item of an array that has one.
 * @template T
 * @param {T[]} items
 */
export const last = (items) => items[items.length - 1];
