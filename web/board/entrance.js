// Signing up and signing in.

import { newKey, post, signIn } from './api.js';
import { byId, onSubmit, showProblem } from './dom.js';

const [signInForm, signUpForm] = [byId('sign-in'), byId('sign-up')];

/** Shows the form to sign in, and in `word` why. `entered(user)` hears who has. */
export function openEntrance(word = '') {
  show(signInForm);
  byId('entrance-word').textContent = word;
}

/** `entered(user)` hears of everybody who signs in. */
export function onEntry(entered) {
  onSubmit(signInForm, async () => {
    const { email, password } = signInForm.elements;
    const user = await signIn(email.value, password.value);
    signInForm.reset();
    entered(user);
  });
  onSubmit(signUpForm, async () => {
    const { username, email, password } = signUpForm.elements;
    const [name, address, secret] = [username.value, email.value, password.value];
    await post('signup', { username: name, email: address, password: secret }, keyFor(name, address, secret));
    const user = await signIn(address, secret);
    signUpForm.reset();
    entered(user);
  });
}

let last = {};

/** The same sign-up sent again has the same key, and makes one account. */
function keyFor(...given) {
  const said = JSON.stringify(given);
  if (last.said !== said) last = { said, key: newKey() };
  return last.key;
}

function show(form) {
  const isSignIn = form === signInForm;
  signInForm.hidden = !isSignIn;
  signUpForm.hidden = isSignIn;
  byId('entrance-title').textContent = isSignIn ? 'Sign in' : 'Make an account';
  byId('entrance-word').textContent = '';
  showProblem(form);
}

byId('to-sign-up').addEventListener('click', () => { show(signUpForm); signUpForm.elements.username.focus(); });
byId('to-sign-in').addEventListener('click', () => { show(signInForm); signInForm.elements.email.focus(); });
