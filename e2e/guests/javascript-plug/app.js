// A plug written in JavaScript: it makes the weather up, and needs no grant for that.
const SKIES = ['sun', 'clouds', 'rain', 'fog'];

export const source = {
  weather(place) {
    if (place === 'nowhere') throw 'there is no such place';
    const sum = [...place].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
    return `${SKIES[sum % SKIES.length]}, as JavaScript guesses`;
  },
};
