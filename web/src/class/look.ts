/** The look of this page, in the order in which it applies. */
import '../ui/tokens.css';
import '../ui/base.css';
import '../page/stage.css';
import './board.css';
import './waiting.css';
import './turn.css';
import './panels.css';
import './farewell.css';
