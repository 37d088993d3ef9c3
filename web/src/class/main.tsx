import './look';
import { boot } from '../page/boot';
import { Board } from './board';
import { BoardPage } from './board_page';

boot('class', (client, token) => {
  const board = new Board(client, token);
  void board.start();
  return <BoardPage board={board} />;
});
