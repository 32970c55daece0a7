// Answers that arrive in another order than they were asked for: one that was overtaken by a later one says what was.

export class Turns {
  constructor() {
    this.asked = 0;
    this.heard = 0;
  }

  /** Something is asked. What is given tells, once it is answered, whether that is the newest answer so far. */
  next() {
    const turn = ++this.asked;
    return () => {
      if (turn < this.heard) return false;
      this.heard = turn;
      return true;
    };
  }
}
