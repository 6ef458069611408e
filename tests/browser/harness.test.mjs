// The watch over the pages is worth something: each kind of problem fails the test that has it.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility } from './harness.mjs';

const POLICY = { 'Content-Security-Policy': "style-src 'none'" };
const PROBLEMS = [
  ['an error in the console', '<script>console.error("no")</script>', /console error: no/],
  ['a warning in the console', '<script>console.warn("no")</script>', /console warning: no/],
  ['an exception', '<script>throw new Error("no")</script>', /page error: Error: no/],
  ['a promise that nobody catches', '<script>Promise.reject(new Error("no"))</script>', /page error: Error: no/],
  ['a style that the policy refuses', '<p style="color: red">', /CSP violation: style-src-attr refuses inline/],
  ['a request to another host', '<img src="http://127.0.0.2/" alt="">', /foreign origin: GET http:\/\/127.0.0.2\//],
  ['a request that fails', '<img src="http://127.0.0.1:1/" alt="">', /request failed: GET http:\S+:1\//],
];

for (const [what, html, expected] of PROBLEMS) {
  browserTest(`${what} fails a test`, {}, async (world) => {
    await world.open(await world.serve(html, POLICY));
    await assert.rejects(world.finish(), ({ actual }) => actual.some((problem) => expected.test(problem)));
  });
}

browserTest('what was announced and does not come fails a test', {}, async (world) => {
  world.announce(/never/);
  await assert.rejects(world.finish(), /what was announced did not come/);
});

browserTest('a control without a name fails a test, with the control named', {}, async (world) => {
  const page = await world.open(await world.serve('<!doctype html><title>A page</title><button></button>'));
  await assert.rejects(checkAccessibility(page), /button-name[^]*<button><\/button>/);
});
