// The wall: what moves on it.

export {};
