// One sentence about what to notice in a distribution at a temperature.

import { formatPercent, formatTemperature } from "../../shared/format.js";
import { last } from "../../shared/math/collections.js";
import { entropy, logSoftmax } from "../../shared/math/softmax.js";

const NEARLY_UNIFORM = 0.97; // of the highest possible entropy
const NEARLY_CERTAIN = 0.95; // probability of the top class
const CERTAIN = 0.99;

/**
 * Return the sentence, with numbers of this distribution only.
 * @param {{network: string, logits: number[], classes: string[], label: number | null, temperature: number}} input
 */
export function noticeAt({ network, logits, classes, label, temperature }) {
  const logp = logSoftmax(logits, temperature);
  const ranked = logits.map((_, k) => k).sort((a, b) => logits[b] - logits[a]);
  const [first, second, third] = ranked;
  const probability = (/** @type {number} */ k) => formatSmall(Math.exp(logp[k]));
  const named = (/** @type {number} */ k) => `${classes[k]} (${probability(k)})`;
  const trained = temperature === 1 ? ", as trained," : "";
  const place = `At T = ${formatTemperature(temperature)}${trained}`;
  const highest = Math.log(classes.length);
  const spread = `entropy ${entropy(logp).toFixed(2)} of ln ${classes.length} = ${highest.toFixed(2)} nats`;
  if (entropy(logp) >= NEARLY_UNIFORM * highest) {
    const order = `${named(first)} is still first and ${named(last(ranked))} last`;
    return `${place} the ${network} is nearly uniform: ${spread}. Only the order is left: ${order}.`;
  }
  const wrong = label === null || label === first ? "" : `, which is wrong (the label is ${classes[label]})`;
  const answer = `${place} the ${network} puts ${probability(first)} on ${classes[first]}${wrong}`;
  const top = Math.exp(logp[first]);
  if (top >= NEARLY_CERTAIN) {
    const visibility = top >= CERTAIN ? "invisible" : "hardly visible";
    const rest = formatSmall(-Math.expm1(logp[first]));
    return `${answer}. What it knows about the other classes is ${visibility}: together they get ${rest}.`;
  }
  if (third === undefined) return `${answer} and ${probability(second)} on ${classes[second]}: ${spread}.`;
  const likely = ranked.length > 3 ? `${named(second)} and ${named(third)} are` : `${named(second)} is`;
  const plausible = `${likely} more plausible to it than ${named(last(ranked))}`;
  return `${answer}. Its view of the other classes shows: ${plausible}; ${spread}.`;
}

/** @param {number} fraction */
const formatSmall = (fraction) => (fraction < 5e-4 ? "< 0.1 %" : formatPercent(fraction));
