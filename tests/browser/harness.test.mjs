// Tests of the harness: each kind of problem of a page fails the test that has it.

import assert from 'node:assert/strict';
import { browserTest, checkAccessibility } from './harness.mjs';

const POLICY = { 'Content-Security-Policy': "style-src 'none'" };
const PROBLEMS = [
  ['an error in the console', '<script>console.error("no")</script>', /console error: no/],
  ['a warning in the console', '<script>console.warn("no")</script>', /console warning: no/],
  ['an uncaught exception', '<script>throw new Error("no")</script>', /page error: Error: no/],
  ['an unhandled rejection', '<script>Promise.reject(new Error("no"))</script>', /page error: Error: no/],
  ['a style that the policy refuses', '<p style="color: red">', /CSP violation: style-src-attr refuses inline/],
  ['a request to another host', '<img src="http://127.0.0.2/" alt="">', /foreign origin: GET http:\/\/127.0.0.2\//],
  ['a failed request', '<img src="http://127.0.0.1:1/" alt="">', /request failed: GET http:\S+:1\//],
];

for (const [problem, html, expected] of PROBLEMS) {
  browserTest(`a page with ${problem} fails its test`, {}, async (env) => {
    await env.openPage(await env.servePage(html, POLICY));
    await assert.rejects(env.finish(), ({ actual }) => actual.some((text) => expected.test(text)));
  });
}

browserTest('a test that expects a problem fails if the problem does not occur', {}, async (env) => {
  env.expectProblem(/never/);
  await assert.rejects(env.finish(), /an expected problem did not occur/);
});

browserTest('a button without an accessible name fails its test, and the message shows the button', {}, async (env) => {
  const page = await env.openPage(await env.servePage('<!doctype html><title>A page</title><button></button>'));
  await assert.rejects(checkAccessibility(page), /button-name[^]*<button><\/button>/);
});
