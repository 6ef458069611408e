// Prints which texts each pattern matches in ECMAScript: for patterns.py, which sends pairs of a pattern and texts as
// JSON on standard input. Each pattern is compiled without flags, and with those that JSON Schema and HTML name.

import { readFileSync } from 'node:fs';

const matches = ([pattern, texts]) => ['', 'u', 'v'].map((flags) => {
  const regExp = new RegExp(pattern, flags);
  return texts.map((text) => regExp.test(text));
});
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(matches)));
