// Playback: what moves on it.

export {};
