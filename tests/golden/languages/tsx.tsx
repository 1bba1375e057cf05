import { useState } from "react";

type Props = { name: string };

/** A button that counts. */
export const Counter: React.FC<Props> = ({ name }) => {
  const [count, setCount] = useState(0);
  const more = () => setCount(count + 1);
  return <button onClick={more}>{count > 9 ? `${name}!` : count}</button>;
};

export function Empty() {
  return null;
}

export const Row = React.memo(function Inner({ name }: Props) {
  return name ? <b>{name}</b> : null;
});

export default class extends React.Component<Props> {
  render() {
    return this.props.name ? <Row /> : null;
  }
}
